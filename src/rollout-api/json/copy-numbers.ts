/** Copies numbers and lists of numbers, spelled as number-text.ts has it. See json-cursor.ts for the rules. */
import type { GroupKernel } from "../kernel/group-kernel.ts";
import {
  CLOSE_LIST,
  COMMA,
  END,
  FAILED,
  isWhitespace,
  type JsonCursor,
  OPEN_LIST,
  SPACE,
} from "./json-cursor.ts";
import { floatText } from "./number-text.ts";

const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LOWER_E = 0x65;
const UPPER_E = 0x45;

/** Digits up to which an integer is exact as a double, whatever they are. */
const EXACT_DIGITS = 15;
/** Digits up to which a decimal is copied as it is: number-text.ts says the same. */
const MOST_DIGITS_KEPT = 17;

/*
 * The next two loops see every token and logprob of every group, hence their shape: they only look at the
 * bytes, make no calls for numbers in their usual spelling, and copy what lies between the others in one go.
 */

/**
 * `[1,-100,8.0]`: integers, and floats without a fraction, which lose it. How many there are, or FAILED. Sets
 * the cursor's `sawNegative`.
 */
export function copyIntegers(cursor: JsonCursor): number {
  if (!cursor.copyByte(OPEN_LIST)) return FAILED;
  if (cursor.copyByte(CLOSE_LIST)) return 0;
  if (cursor.kernel !== undefined) return copyWithKernel(cursor, cursor.kernel, "integers");
  const { input, out } = cursor;
  cursor.peek();
  let { at } = cursor;
  let copiedTo = at;
  let hasSpace = false;
  for (let count = 1; ; count++) {
    let byte = input[at] ?? END;
    const start = at;
    if (byte === MINUS) byte = input[++at] ?? END;
    const first = byte;
    const digitsStart = at;
    while (byte >= ZERO && byte <= NINE) byte = input[++at] ?? END;
    if (first === ZERO || at === digitsStart || byte === DOT || byte === LOWER_E || byte === UPPER_E) {
      out.copyText(input, copiedTo, start, hasSpace);
      cursor.at = start;
      if (!copyInteger(cursor)) return FAILED;
      at = cursor.at;
      copiedTo = at;
      byte = input[at] ?? END;
    } else if (start !== digitsStart) cursor.sawNegative = true;

    if (byte !== COMMA) {
      out.copyText(input, copiedTo, at, hasSpace);
      cursor.at = at;
      if (cursor.copyByte(CLOSE_LIST)) return count;
      if (!cursor.copyByte(COMMA)) return FAILED;
      ({ at } = cursor);
      copiedTo = at;
      hasSpace = false;
    } else at++;
    while ((input[at] ?? END) <= SPACE && isWhitespace(input[at] ?? END)) {
      hasSpace = true;
      at++;
    }
  }
}

/** `[0.5,1,-1e-7]`: every number comes out with a fraction or an exponent. How many there are, or FAILED. */
export function copyFloats(cursor: JsonCursor): number {
  if (!cursor.copyByte(OPEN_LIST)) return FAILED;
  if (cursor.copyByte(CLOSE_LIST)) return 0;
  if (cursor.kernel !== undefined) return copyWithKernel(cursor, cursor.kernel, "floats");
  const { input, out } = cursor;
  cursor.peek();
  let { at } = cursor;
  let copiedTo = at;
  let hasSpace = false;
  for (let count = 1; ; count++) {
    let byte = input[at] ?? END;
    const start = at;
    if (byte === MINUS) byte = input[++at] ?? END;
    const first = byte;
    const wholeStart = at;
    while (byte >= ZERO && byte <= NINE) byte = input[++at] ?? END;
    const wholeDigits = at - wholeStart;
    let last = ZERO;
    let fractionDigits = 0;
    if (byte === DOT) {
      const fractionStart = at + 1;
      do {
        last = byte;
        byte = input[++at] ?? END;
      } while (byte >= ZERO && byte <= NINE);
      fractionDigits = at - fractionStart;
    }
    const isUsual =
      fractionDigits > 0 &&
      byte !== LOWER_E &&
      byte !== UPPER_E &&
      (last !== ZERO || fractionDigits === 1) &&
      (first === ZERO
        ? wholeDigits === 1 && isPlainFraction(input, at - fractionDigits, fractionDigits)
        : wholeDigits > 0 && wholeDigits + fractionDigits <= MOST_DIGITS_KEPT);
    if (!isUsual) {
      out.copyText(input, copiedTo, start, hasSpace);
      cursor.at = start;
      if (!copyNumber(cursor, true)) return FAILED;
      at = cursor.at;
      copiedTo = at;
      byte = input[at] ?? END;
    }

    if (byte !== COMMA) {
      out.copyText(input, copiedTo, at, hasSpace);
      cursor.at = at;
      if (cursor.copyByte(CLOSE_LIST)) return count;
      if (!cursor.copyByte(COMMA)) return FAILED;
      ({ at } = cursor);
      copiedTo = at;
      hasSpace = false;
    } else at++;
    while ((input[at] ?? END) <= SPACE && isWhitespace(input[at] ?? END)) {
      hasSpace = true;
      at++;
    }
  }
}

/** The numbers of a list whose bracket is open; what the kernel leaves is copied one by one. */
function copyWithKernel(cursor: JsonCursor, kernel: GroupKernel, kind: "integers" | "floats"): number {
  const { out } = cursor;
  for (let count = 1; ; count++) {
    cursor.peek();
    const copied = kernel.copyNumbers(kind, cursor.at, out.length);
    cursor.at = copied.at;
    out.length = copied.out;
    count += copied.commas;
    if (copied.sawNegative) cursor.sawNegative = true;
    if (!copied.isComplete && !(kind === "integers" ? copyInteger(cursor) : copyNumber(cursor, true)))
      return FAILED;
    if (cursor.copyByte(CLOSE_LIST)) return count;
    if (!cursor.copyByte(COMMA)) return FAILED;
    if (cursor.kernel === undefined) return copyRest(cursor, kind, count);
  }
}

/** The same, where the kernel has no room any more. */
function copyRest(cursor: JsonCursor, kind: "integers" | "floats", countSoFar: number): number {
  for (let count = countSoFar + 1; ; count++) {
    cursor.peek();
    if (!(kind === "integers" ? copyInteger(cursor) : copyNumber(cursor, true))) return FAILED;
    if (cursor.copyByte(CLOSE_LIST)) return count;
    if (!cursor.copyByte(COMMA)) return FAILED;
  }
}

/** One integer, or float without a fraction, which starts right here. */
function copyInteger(cursor: JsonCursor): boolean {
  const { input, out, at: start } = cursor;
  const wholeStart = input[start] === MINUS ? start + 1 : start;
  let at = skipDigits(input, wholeStart);
  const wholeDigits = at - wholeStart;
  const isZero = input[wholeStart] === ZERO;
  if (wholeDigits === 0 || (isZero && wholeDigits > 1)) return false;
  out.copy(input, isZero ? wholeStart : start, at);
  if (wholeStart > start && !isZero) cursor.sawNegative = true;
  if (input[at] === DOT) {
    const fractionStart = ++at;
    while (input[at] === ZERO) at++;
    if (at === fractionStart || wholeDigits > EXACT_DIGITS) return false;
  }
  cursor.at = at;
  return true;
}

/** One number, which starts right here; with `asFloat` an integer comes out as a float. */
export function copyNumber(cursor: JsonCursor, asFloat: boolean): boolean {
  const { input, at: start } = cursor;
  const wholeStart = input[start] === MINUS ? start + 1 : start;
  let at = skipDigits(input, wholeStart);
  const wholeDigits = at - wholeStart;
  const leadingZero = input[wholeStart] === ZERO;
  if (wholeDigits === 0 || (leadingZero && wholeDigits > 1)) return false;

  let fractionDigits = 0;
  if (input[at] === DOT) {
    const fractionStart = at + 1;
    at = skipDigits(input, fractionStart);
    fractionDigits = at - fractionStart;
    if (fractionDigits === 0) return false;
  }
  const wholeAndFractionEnd = at;
  if (input[at] === LOWER_E || input[at] === UPPER_E) {
    const sign = input[at + 1];
    const exponentStart = at + (sign === PLUS || sign === MINUS ? 2 : 1);
    at = skipDigits(input, exponentStart);
    if (at === exponentStart) return false;
  }
  cursor.at = at;

  if (at > wholeAndFractionEnd) return copyRewritten(cursor, start);
  if (fractionDigits === 0) return copyWhole(cursor, start, asFloat);
  const isPlain =
    (input[at - 1] !== ZERO || fractionDigits === 1) &&
    (leadingZero
      ? isPlainFraction(input, at - fractionDigits, fractionDigits)
      : wholeDigits + fractionDigits <= MOST_DIGITS_KEPT);
  if (!isPlain) return copyRewritten(cursor, start);
  cursor.out.copy(input, start, at);
  return true;
}

/** Whether `0.` and these digits need no exponent and have no more than the kept digits after the zeros. */
function isPlainFraction(input: Buffer, start: number, digits: number): boolean {
  let zeros = 0;
  while (zeros < digits && input[start + zeros] === ZERO) zeros++;
  return zeros < 4 && digits - zeros <= MOST_DIGITS_KEPT;
}

/** The integer that ends at the cursor. */
function copyWhole(cursor: JsonCursor, start: number, asFloat: boolean): boolean {
  const { input, out, at: end } = cursor;
  if (asFloat && end - start > EXACT_DIGITS) return copyRewritten(cursor, start);
  const isMinusZero = input[start] === MINUS && input[start + 1] === ZERO;
  out.copy(input, isMinusZero ? start + 1 : start, end);
  if (asFloat) {
    out.byte(DOT);
    out.byte(ZERO);
  }
  return true;
}

/** The number that ends at the cursor, as a float in its usual spelling. */
function copyRewritten({ input, at, out }: JsonCursor, start: number): boolean {
  const lexeme = input.toString("latin1", start, at);
  if (!Number.isFinite(Number(lexeme))) return false;
  out.text(floatText(lexeme));
  return true;
}

function skipDigits(input: Buffer, start: number): number {
  let at = start;
  let byte = input[at] ?? END;
  while (byte >= ZERO && byte <= NINE) byte = input[++at] ?? END;
  return at;
}
