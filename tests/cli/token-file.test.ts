import { expect, test } from "vitest";
import { parseTokens, readTokenFile } from "../../src/cli/token-file.ts";

test("lines of role: token, comments, several of a role, and YAML lists", () => {
  const text = `
# who may do what
env: abc
env: 0123
trainer: "quoted:token"
admin:
  - one
  - two
`;
  expect(parseTokens(text, "tokens")).toEqual([
    { role: "env", token: "abc" },
    { role: "env", token: "0123" },
    { role: "trainer", token: "quoted:token" },
    { role: "admin", token: "one" },
    { role: "admin", token: "two" },
  ]);
});

test.each([
  ["an unknown role", "root: topsecret", '"root" is no role; roles are env, trainer, admin'],
  ["no token", "env:", "a token of env"],
  ["a token with a space", "env: top secret", "a token of env"],
  ["a map", "env: {a: topsecret}", "a token of env"],
  ["bare text", "topsecret", 'lines of "role: token"'],
  ["nothing", "# nothing", 'lines of "role: token"'],
  ["an empty map", "{}", "at least one line"],
  ["broken YAML", "env: [topsecret", 'lines of "role: token"'],
])("%s is refused, and no token is told", (_name, text, message) => {
  const refused = () => parseTokens(text, "tokens");
  expect(refused).toThrow(
    expect.objectContaining({ code: "TOKEN_FILE_INVALID", message: expect.stringContaining(message) }),
  );
  expect(refused).not.toThrow(/top/);
});

test("a file that is not there is a clear error", async () => {
  await expect(readTokenFile("/nowhere/tokens")).rejects.toMatchObject({
    code: "TOKEN_FILE_INVALID",
    message: expect.stringContaining("/nowhere/tokens"),
  });
});
