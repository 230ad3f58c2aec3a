/** Copies numbers and lists of numbers, spelled as number-text.ts has it. See json-cursor.ts for the rules. */
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

/**
 * `[1,-100,8.0]`: integers, and floats without a fraction, which lose it. How many there are, or FAILED. Sets
 * the cursor's `sawNegative`.
 */
export function copyIntegers(cursor: JsonCursor): number {
  return copyNumbers(cursor, false);
}

/** `[0.5,1,-1e-7]`: every number comes out with a fraction or an exponent. How many there are, or FAILED. */
export function copyFloats(cursor: JsonCursor): number {
  return copyNumbers(cursor, true);
}

/**
 * Sees every token and logprob of every group, hence its shape: one pass that only looks at the bytes, makes
 * no calls for numbers in their usual spelling, and copies what lies between the others in one go.
 */
function copyNumbers(cursor: JsonCursor, asFloat: boolean): number {
  if (!cursor.copyByte(OPEN_LIST)) return FAILED;
  if (cursor.copyByte(CLOSE_LIST)) return 0;
  const { input, out } = cursor;
  cursor.peek();
  let { at } = cursor;
  let copiedTo = at;
  let hasSpace = false;
  for (let count = 1; ; count++) {
    const start = at;
    let byte = input[at] ?? END;
    if (byte === MINUS) byte = input[++at] ?? END;
    const wholeStart = at;
    while (byte >= ZERO && byte <= NINE) byte = input[++at] ?? END;
    const wholeDigits = at - wholeStart;
    const mayBeKept = wholeDigits > 0 && wholeDigits <= EXACT_DIGITS && input[wholeStart] !== ZERO;

    let isKept = false;
    if (byte === DOT && asFloat) {
      const fractionStart = at + 1;
      do byte = input[++at] ?? END;
      while (byte >= ZERO && byte <= NINE);
      const digits = wholeDigits + at - fractionStart;
      const isExact = digits <= MOST_DIGITS_KEPT && (input[at - 1] !== ZERO || at - fractionStart === 1);
      const isSmall = wholeDigits === 1 && input[wholeStart] === ZERO && input[fractionStart] !== ZERO;
      isKept = at > fractionStart && isExact && (mayBeKept || isSmall) && !isExponent(byte);
    } else if (!asFloat) {
      // Text, so that an integer of any length stays exact.
      const isZero = wholeDigits === 1 && start === wholeStart;
      isKept = (mayBeKept || isZero) && byte !== DOT && !isExponent(byte);
      if (start !== wholeStart && input[wholeStart] !== ZERO) cursor.sawNegative = true;
    } else if (mayBeKept && !isExponent(byte)) {
      out.copyText(input, copiedTo, at, hasSpace);
      out.byte(DOT);
      out.byte(ZERO);
      copiedTo = at;
      isKept = true;
    }
    if (!isKept) {
      out.copyText(input, copiedTo, start, hasSpace);
      cursor.at = start;
      if (!(asFloat ? copyNumber(cursor, true) : copyInteger(cursor))) return FAILED;
      at = cursor.at;
      copiedTo = at;
      byte = input[at] ?? END;
    }

    while (byte <= SPACE && isWhitespace(byte)) {
      hasSpace = true;
      byte = input[++at] ?? END;
    }
    at++;
    if (byte === CLOSE_LIST) {
      out.copyText(input, copiedTo, at, hasSpace);
      cursor.at = at;
      return count;
    }
    if (byte !== COMMA) return FAILED;
    while ((input[at] ?? END) <= SPACE && isWhitespace(input[at] ?? END)) {
      hasSpace = true;
      at++;
    }
  }
}

function isExponent(byte: number): boolean {
  return byte === LOWER_E || byte === UPPER_E;
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
