import { expect, test } from "vitest";
import { rowAsJson } from "../../src/data/row-json.ts";

test("what JSON can't hold becomes what it can", () => {
  const row = {
    small: 7n,
    big: 9007199254740993n,
    bytes: new Uint8Array([1, 2]),
    nested: [{ one: 1n }],
    none: null,
  };
  expect(rowAsJson(row)).toEqual({
    small: 7,
    big: "9007199254740993",
    bytes: "AQI=",
    nested: [{ one: 1 }],
    none: null,
  });
});
