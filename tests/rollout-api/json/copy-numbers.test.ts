/** The quick copiers of number lists against the spelling rules of number-text.ts and against JSON.parse. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { copyFloats, copyIntegers } from "../../../src/rollout-api/json/copy-numbers.ts";
import { FAILED, JsonCursor } from "../../../src/rollout-api/json/json-cursor.ts";
import { floatText, integerText } from "../../../src/rollout-api/json/number-text.ts";
import { integerLexeme, listOf, numberLexeme } from "../../support/json-text.ts";

const cursor = new JsonCursor();

function copied(text: string, copy: (cursor: JsonCursor) => number) {
  cursor.begin(Buffer.from(text));
  cursor.sawNegative = false;
  const count = copy(cursor);
  if (count === FAILED) return undefined;
  const { out, at, sawNegative } = cursor;
  return { count, text: out.buffer.toString("latin1", 0, out.length), end: at, sawNegative };
}

function lexemes(list: string): string[] {
  return list
    .replace(/[[\]\s]/g, "")
    .split(",")
    .filter((lexeme) => lexeme !== "");
}

test("floats come out in their usual spelling, without white space, and are counted", () => {
  fc.assert(
    fc.property(listOf(numberLexeme), (text) => {
      const result = copied(text, copyFloats);
      const items = lexemes(text);
      if (result === undefined) expect(items.some((item) => !Number.isFinite(Number(item)))).toBe(true);
      else {
        expect(result.text).toBe(`[${items.map(floatText).join(",")}]`);
        expect(result.count).toBe(items.length);
        expect(result.end).toBe(text.trimEnd().length);
      }
    }),
    { numRuns: 1000 },
  );
});

test("integers come out digit by digit, and whether one is negative is told", () => {
  fc.assert(
    fc.property(listOf(integerLexeme), (text) => {
      const items = lexemes(text);
      const result = copied(text, copyIntegers);
      expect(result?.text).toBe(`[${items.map(integerText).join(",")}]`);
      expect(result?.count).toBe(items.length);
      expect(result?.sawNegative).toBe(items.some((item) => BigInt(item) < 0n));
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ["[8.0,-100.00]", "[8,-100]"],
  ["[1.5]", undefined],
  ["[1e3]", undefined],
  ["[01]", undefined],
  ["[1,]", undefined],
  ["[1 2]", undefined],
  ["[1", undefined],
])("integers of %s: %s", (text, expected) => {
  expect(copied(text, copyIntegers)?.text).toBe(expected);
});

test("what JSON.parse refuses is never taken", () => {
  const scrap = fc.string({ unit: fc.constantFrom(...'10-.eE, []9+"'), maxLength: 12 });
  fc.assert(
    fc.property(scrap, fc.constantFrom(copyFloats, copyIntegers), (text, copy) => {
      const result = copied(`[${text}`, copy);
      if (result === undefined) return;
      const taken: unknown = JSON.parse(`[${text}`.slice(0, result.end));
      expect(JSON.stringify(JSON.parse(result.text))).toBe(JSON.stringify(taken));
    }),
    { numRuns: 5000 },
  );
});
