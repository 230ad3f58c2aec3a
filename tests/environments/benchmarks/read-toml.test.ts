import { expect, test } from "vitest";
import { readToml } from "../../../environments/benchmarks/harbor/read-toml.ts";

test("reads what task files hold", () => {
  const text = `
version = "1.0" # of the format
"quoted key" = 'C:\\no\\escape'
a.b.c = 1_000
[metadata]
tags = [
  "one", # first
  'two',
]
date = 2026-01-02 10:00:00Z
note = """
first \\
   second
"third" \\u00e9"""
[verifier]
timeout_sec = 120.0
env = { KEY = "v", "other.key" = true, nested = { n = -3 } }
[[steps]]
n = 0x1F
[[steps]]
n = 1e3
[steps.more]
inf = -inf
`;
  expect(JSON.parse(JSON.stringify(readToml(text)))).toEqual({
    version: "1.0",
    "quoted key": "C:\\no\\escape",
    a: { b: { c: 1000 } },
    metadata: { tags: ["one", "two"], date: "2026-01-02 10:00:00Z", note: 'first second\n"third" é' },
    verifier: { timeout_sec: 120, env: { KEY: "v", "other.key": true, nested: { n: -3 } } },
    steps: [{ n: 31 }, { n: 1000, more: { inf: null } }],
  });
  expect(readToml("a = 'x'\r\nb = 2\r\n")).toMatchObject({ a: "x", b: 2 });
  expect(readToml("__proto__ = 1\n[constructor]\nx = 1")).toMatchObject({ constructor: { x: 1 } });
});

test.each([
  ["a = ", "line 1"],
  ["a = 1\na = 2", "line 2: a is given twice"],
  ["a = 'x", "line 1: the string doesn't end"],
  ["a = 1 b = 2", "line 1: expected the end of the line"],
  ["a = [1 2]", "expected , or ]"],
  ["a = 1\n[a]", "a is no table"],
  ["= 1", "expected a key"],
  ['a = "\\q"', "no escape"],
])("%j is refused with the line and the reason", (text, message) => {
  expect(() => readToml(text)).toThrow(message);
});
