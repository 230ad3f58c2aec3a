import { expect, test } from "vitest";
import { collectSecrets, isSecretKey, secretScrubber, withoutSecrets } from "../../src/cli/redact.ts";

test.each([
  ["api_key", true],
  ["apiKey", true],
  ["hub_token", true],
  ["token", true],
  ["Authorization", true],
  ["wandb-api-key", true],
  ["ssh_key_passphrase", true],
  ["modal_token_secret", true],
  ["max_token_length", false],
  ["tokenizer_name", false],
  ["monkey", false],
  ["allow_placeholder_tokens", false],
])("isSecretKey(%s) is %s", (key, expected) => {
  expect(isSecretKey(key)).toBe(expected);
});

const config = {
  env: {
    extra_body: { headers: [{ Authorization: "Bearer abcdef123" }] },
    max_token_length: 5,
    hub_token: null,
  },
  openai: [{ api_key: "sk-secret-1", base_url: "http://user:pass-word@host/v1" }, { api_key: "" }],
};

test("withoutSecrets leaves out secret texts and keeps everything else", () => {
  expect(withoutSecrets(config)).toEqual({
    env: { extra_body: { headers: [{}] }, max_token_length: 5, hub_token: null },
    openai: [{ base_url: "http://user:[redacted]@host/v1" }, { api_key: "" }],
  });
});

test("the scrubber blots every collected secret out of any text, the longest first", () => {
  const scrub = secretScrubber([...collectSecrets(config), "sk-secret", "x"]);
  expect(scrub("401 for sk-secret-1 and Bearer abcdef123 at pass-word; sk-secret; x")).toBe(
    "401 for [redacted] and [redacted] at [redacted]; [redacted]; x",
  );
});
