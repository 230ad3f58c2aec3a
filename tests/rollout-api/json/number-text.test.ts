import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { floatText, integerText, pythonFloat } from "../../../src/rollout-api/json/number-text.ts";

describe("pythonFloat writes a double as Python's repr", () => {
  test.each([
    [0, "0.0"],
    [-0, "-0.0"],
    [1, "1.0"],
    [-1.5, "-1.5"],
    [0.1, "0.1"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [-1e-7, "-1e-07"],
    [1.5e-9, "1.5e-09"],
    [123456789.125, "123456789.125"],
    [2 ** 53, "9007199254740992.0"],
    [1e15, "1000000000000000.0"],
    [1e16, "1e+16"],
    [1.25e22, "1.25e+22"],
    [5e-324, "5e-324"],
    [1.7976931348623157e308, "1.7976931348623157e+308"],
  ])("%d -> %s", (value, text) => {
    expect(pythonFloat(value)).toBe(text);
  });

  test("any finite double survives", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(pythonFloat(value))).toBe(value);
        expect(pythonFloat(value)).toMatch(/[.e]/);
      }),
    );
  });
});

test.each([
  ["1", "1.0"],
  ["-0", "0.0"],
  ["1.0", "1.0"],
  ["1.50", "1.5"],
  ["0.00001", "1e-05"],
  ["1e3", "1000.0"],
  ["1E-7", "1e-07"],
  ["12345678901234567890", "1.2345678901234567e+19"],
  ["-0.6931471805599453", "-0.6931471805599453"],
  ["0.012345678901234567", "0.012345678901234567"],
  ["0.10000000000000000001", "0.1"],
])("floatText: %s -> %s", (lexeme, text) => {
  expect(floatText(lexeme)).toBe(text);
});

test("integers keep every digit", () => {
  expect(["0", "-0", "-7", "123456789012345678901234567890"].map(integerText)).toEqual([
    "0",
    "0",
    "-7",
    "123456789012345678901234567890",
  ]);
});
