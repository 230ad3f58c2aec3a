/** The quick copiers of number lists against the spelling rules of number-text.ts and against JSON.parse. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { copyFloats, copyIntegers } from "../../../src/rollout-api/json/copy-numbers.ts";
import { FAILED, JsonCursor } from "../../../src/rollout-api/json/json-cursor.ts";
import { floatText, integerText } from "../../../src/rollout-api/json/number-text.ts";
import { integerLexeme, listOf, numberLexeme } from "../../support/json-text.ts";

const withKernel = new JsonCursor();
const without = new JsonCursor(null);

/** What comes out, which must be the same with the compiled loops and without. */
function copied(text: string, copy: (cursor: JsonCursor) => number) {
  const result = copiedBy(withKernel, text, copy);
  expect(result).toEqual(copiedBy(without, text, copy));
  return result;
}

function copiedBy(cursor: JsonCursor, text: string, copy: (cursor: JsonCursor) => number) {
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

test("a negative number that was written as a float is told of, too", () => {
  expect(copied("[1,-8.0]", copyIntegers)?.sawNegative).toBe(true);
  expect(copied("[1,-0.0]", copyIntegers)?.sawNegative).toBe(false);
});

test("long lists are read like short ones, whatever stands between the usual numbers", () => {
  const long = (lexeme: fc.Arbitrary<string>) => fc.array(lexeme, { minLength: 50, maxLength: 300 });
  const usual = fc.oneof(fc.double({ min: -3, max: 0 }).map(String), fc.constantFrom("1", "1.0", "-0.5"));
  fc.assert(
    fc.property(
      long(fc.oneof({ weight: 9, arbitrary: usual }, numberLexeme)),
      fc.constantFrom(",", ", ", ",\n  "),
      (items, comma) => {
        const result = copied(`[${items.join(comma)}]`, copyFloats);
        if (result === undefined) expect(items.some((item) => !Number.isFinite(Number(item)))).toBe(true);
        else expect(result.text).toBe(`[${items.map(floatText).join(",")}]`);
      },
    ),
  );
  fc.assert(
    fc.property(
      long(fc.oneof({ weight: 9, arbitrary: fc.nat(200_000).map(String) }, integerLexeme)),
      fc.constantFrom(",", ", ", ",\n  "),
      (items, comma) => {
        const result = copied(`[${items.join(comma)}]`, copyIntegers);
        expect(result?.text).toBe(`[${items.map(integerText).join(",")}]`);
        expect(result?.count).toBe(items.length);
      },
    ),
  );
});

test("numbers that come out longer than there is room for are read to the end", () => {
  const items = Array.from({ length: 20_000 }, () => "1e15");
  expect(copied(`[${items.join(",")}]`, copyFloats)?.text).toBe(`[${items.map(floatText).join(",")}]`);
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
