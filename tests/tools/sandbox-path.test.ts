import { expect, test } from "vitest";
import { sandboxPath } from "../../src/tools/sandbox-path.ts";

test.each([
  ["notes.txt", "/workspace/notes.txt"],
  ["./a/../b", "/workspace/b"],
  ["/etc/hosts", "/etc/hosts"],
  ["~", "/workspace"],
  ["~/notes.txt", "/workspace/notes.txt"],
  ["~//etc", "/workspace/etc"],
  ["~user/x", "/workspace/~user/x"],
  ["a/~/b", "/workspace/a/~/b"],
])("%s is %s", (path, expected) => {
  expect(sandboxPath({ workspace: "/workspace" }, path)).toBe(expected);
});
