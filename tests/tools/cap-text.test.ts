import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { closestNames } from "../../src/contracts/closest-names.ts";
import { capMiddle, headOf, tailOf } from "../../src/tools/cap-text.ts";

describe("capMiddle", () => {
  test("leaves what fits as it is", () => {
    expect(capMiddle("abc", 3)).toBe("abc");
  });

  test("keeps the first 40% and the last 60% and says how much is missing", () => {
    const capped = capMiddle(`${"a".repeat(50)}${"b".repeat(50)}`, 10);
    expect(capped).toBe(`aaaa\n\n... [OUTPUT TRUNCATED: 90 of 100 characters left out] ...\n\nbbbbbb`);
  });

  test("counts what was cut before", () => {
    expect(capMiddle("headtail", 100, 5)).toBe(
      "head\n\n... [OUTPUT TRUNCATED: 5 of 13 characters left out] ...\n\ntail",
    );
  });
});

test("heads and tails keep their length and never split a character", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (text, length) => {
      const head = headOf(text, length);
      const tail = tailOf(text, length);
      expect(head.length).toBeLessThanOrEqual(length);
      expect(tail.length).toBeLessThanOrEqual(length);
      expect(text.startsWith(head) && text.endsWith(tail)).toBe(true);
      expect([head.isWellFormed(), tail.isWellFormed()]).toEqual([true, true]);
    }),
  );
});

test.each<[string, string[], string[]]>([
  ["main.py", ["maim.py", "other.txt", "MAIN.PY"], ["MAIN.PY", "maim.py"]],
  ["config", ["config.yaml", "x"], ["config.yaml"]],
  ["abc", ["xyz"], []],
  ["", ["a"], []],
])("closestNames of %s", (wanted, candidates, expected) => {
  expect(closestNames(wanted, candidates, 5)).toEqual(expected);
});
