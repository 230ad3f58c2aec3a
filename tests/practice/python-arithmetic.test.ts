import fc from "fast-check";
import { expect, test } from "vitest";
import { toPythonArithmetic } from "../../src/practice/python-arithmetic.ts";

test.each([
  ["48/2", "48 / 2", 24],
  ["16-3-4", "16 - 3 - 4", 9],
  [".5*10", "0.5 * 10", 5],
  ["5.*2", "5 * 2", 10],
  ["5/100*60", "5 / 100 * 60", 3],
  ["$1,200 x 50%", "1200 * (50 / 100)", 600],
  ["10,000+1", "10000 + 1", 10_001],
  ["007+1", "7 + 1", 8],
  ["00.50*2", "0.50 * 2", 1],
  ["2(3+4)", "2 * (3 + 4)", 14],
  ["(1+2)(3)", "(1 + 2) * (3)", 9],
  ["-3+-4", "-3 + -4", -7],
  ["6÷2×5–1", "6 / 2 * 5 - 1", 14],
  ["€5 + £2", "5 + 2", 7],
  ["7//2", "7 // 2", 3],
  ["((2))", "((2))", 2],
])("%s is %s in Python", (text, python, value) => {
  expect(toPythonArithmetic(text)).toEqual({ python, value: expect.closeTo(value) });
});

test.each([
  "",
  "   ",
  "x",
  "2*",
  "(2",
  "2)",
  "1,00+2",
  "1 2",
  "2**3",
  "9**9**9",
  "4/0",
  "1/(2-2)",
  "__import__('os').system('rm -rf /')",
  "3 apples",
  "1e5",
  `${"(".repeat(10_000)}1${")".repeat(10_000)}`,
])("%s is no plain arithmetic", (text) => {
  expect(toPythonArithmetic(text)).toBeNull();
});

test("never throws, and what comes out holds nothing but arithmetic", () => {
  const pieces = fc.constantFrom(
    "1",
    "2.5",
    ",000",
    "+",
    "-",
    "*",
    "/",
    "x",
    "(",
    ")",
    "%",
    "$",
    " ",
    ".",
    "a",
    "\n",
    ";",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces).map((list) => list.join("")),
      ),
      (text) => {
        const arithmetic = toPythonArithmetic(text);
        if (arithmetic) expect(arithmetic.python).toMatch(/^[-+*/(). \d]+$/);
      },
    ),
    { numRuns: 500 },
  );
});
