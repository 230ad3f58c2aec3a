/** Whether what a program said is what was expected, decided on the host: no code of the model takes part. */
import { z } from "zod";
import { EitherOf } from "./code-tests.ts";

export type CompareOptions = {
  /** Greatest difference of two numbers with a fraction, absolute or as a share of the expected one; 0 = none. */
  floatTolerance: number;
};

/** Text by its lines, white space at their ends aside; numbers in them with the tolerance. */
export function isSameText(expected: string, printed: string, options: CompareOptions): boolean {
  const [want, got] = [linesOf(expected), linesOf(printed)];
  return (
    want.length === got.length && want.every((line, index) => isSameLine(line, got[index] ?? "", options))
  );
}

const linesOf = (text: string): string[] =>
  text
    .replaceAll("\r\n", "\n")
    .trim()
    .split("\n")
    .map((line) => line.trimEnd());

function isSameLine(expected: string, printed: string, options: CompareOptions): boolean {
  if (expected === printed) return true;
  if (options.floatTolerance === 0) return false;
  const [want, got] = [expected.trim().split(/\s+/), printed.trim().split(/\s+/)];
  return (
    want.length === got.length &&
    want.every((word, index) => {
      const other = got[index] ?? "";
      if (word === other) return true;
      return (
        /[.eE]/.test(word) &&
        isNumber(word) &&
        isNumber(other) &&
        isNear(Number(word), Number(other), options)
      );
    })
  );
}

const isNumber = (word: string): boolean => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word);

/** Compares JSON with a value in the tagged form of `peer-source.ts`. Tuples are lists; sets have no order. */
export function isSameValue(expected: unknown, tagged: unknown, options: CompareOptions): boolean {
  if (expected instanceof EitherOf)
    return expected.values.some((value) => isSameValue(value, tagged, options));
  const parsed = z.tuple([z.string()], z.unknown()).safeParse(tagged);
  if (!parsed.success) return isSameScalar(expected, tagged, options);
  const [tag, ...rest] = parsed.data;
  switch (tag) {
    case "f":
      return isSameScalar(expected, floatOf(String(rest[0])), options);
    case "i":
      return isSameScalar(expected, wholeOf(String(rest[0])), options);
    case "l":
    case "t":
    case "q":
    case "g":
      return isSameList(expected, rest, options);
    case "s":
    case "z":
      return isSameSet(expected, rest, options);
    case "d":
      return isSameObject(expected, rest, options);
    default:
      return false;
  }
}

const floatOf = (written: string): number =>
  written === "inf"
    ? Number.POSITIVE_INFINITY
    : written === "-inf"
      ? Number.NEGATIVE_INFINITY
      : Number(written);

/** Beyond 2^53 the expected JSON number was rounded, too. */
function wholeOf(hex: string): number {
  if (!/^-?0x[\da-f]+$/i.test(hex)) return Number.NaN;
  return hex.startsWith("-") ? -Number(BigInt(hex.slice(1))) : Number(BigInt(hex));
}

function isSameScalar(expected: unknown, got: unknown, options: CompareOptions): boolean {
  if (typeof expected === "number" || typeof got === "number") {
    const [want, given] = [numberOf(expected), numberOf(got)];
    if (want === null || given === null) return false;
    return want === given || isNear(want, given, options);
  }
  return expected === got && (typeof got !== "object" || got === null);
}

/** In Python True is 1. */
const numberOf = (value: unknown): number | null =>
  typeof value === "number" ? value : typeof value === "boolean" ? Number(value) : null;

function isNear(want: number, got: number, { floatTolerance }: CompareOptions): boolean {
  if (Number.isInteger(want) && Number.isInteger(got)) return want === got;
  return Math.abs(want - got) <= floatTolerance * Math.max(1, Math.abs(want));
}

function isSameList(expected: unknown, items: readonly unknown[], options: CompareOptions): boolean {
  return (
    Array.isArray(expected) &&
    expected.length === items.length &&
    expected.every((value, index) => isSameValue(value, items[index], options))
  );
}

function isSameSet(expected: unknown, items: readonly unknown[], options: CompareOptions): boolean {
  if (!Array.isArray(expected) || expected.length !== items.length) return false;
  const left = [...items];
  return expected.every((value) => {
    const found = left.findIndex((item) => isSameValue(value, item, options));
    if (found >= 0) left.splice(found, 1);
    return found >= 0;
  });
}

const entry = z.tuple([z.unknown(), z.unknown()]);

function isSameObject(expected: unknown, entries: readonly unknown[], options: CompareOptions): boolean {
  if (typeof expected !== "object" || expected === null || Array.isArray(expected)) return false;
  const want = new Map(Object.entries(expected));
  if (want.size !== entries.length) return false;
  return entries.every((given) => {
    const parsed = entry.safeParse(given);
    if (!parsed.success) return false;
    const [key, value] = parsed.data;
    const name = typeof key === "string" || typeof key === "number" ? String(key) : null;
    return name !== null && want.has(name) && isSameValue(want.get(name), value, options);
  });
}
