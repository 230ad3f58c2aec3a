import { expect, test } from "vitest";
import { isBlank, pythonFloat, pythonInt, pythonStrip } from "../../../parsers/shared/python-text.ts";

test.each([
  ["12", 12n],
  [" 12\n", 12n],
  ["+5", 5n],
  ["-007", -7n],
  ["1_000", 1000n],
  ["99999999999999999999", 99999999999999999999n],
  ["١٢", 12n],
  ["𝟙𝟚", 12n],
  ["5.0", undefined],
  ["1__0", undefined],
  ["_1", undefined],
  ["0x10", undefined],
  ["", undefined],
  ["- 5", undefined],
  ["9".repeat(4301), undefined],
])("int(%j) is Python's", (text, value) => {
  expect(pythonInt(text)).toBe(value);
});

test.each([
  ["1.5", 1.5],
  [" 5. ", 5],
  [".5", 0.5],
  ["1e3", 1000],
  ["1_0.5_0", 10.5],
  ["-Infinity", Number.NEGATIVE_INFINITY],
  ["inf", Number.POSITIVE_INFINITY],
  ["nan", Number.NaN],
  ["1e999", Number.POSITIVE_INFINITY],
  [".", undefined],
  ["1e", undefined],
  ["0x1p3", undefined],
  ["1._5", undefined],
  ["infin", undefined],
])("float(%j) is Python's", (text, value) => {
  expect(pythonFloat(text)).toBe(value);
});

test("strip() takes Python's whitespace, not JavaScript's", () => {
  expect(pythonStrip("\x1f\x85\u3000 a \ufeff")).toBe("a \ufeff");
  expect(isBlank("\x1c \u2028")).toBe(true);
  expect(isBlank("\ufeff")).toBe(false);
});
