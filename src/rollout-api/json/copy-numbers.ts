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
 * `[1,-100,8.0]`: integers, and floats without a fraction, which lose their point. This loop sees every
 * token id of every group, hence its shape: one pass, no calls, no allocation.
 */
export function copyIntegers(cursor: JsonCursor): boolean {
  if (!cursor.copyByte(OPEN_LIST)) return false;
  if (cursor.copyByte(CLOSE_LIST)) return true;
  const { input } = cursor;
  let { at } = cursor;
  // Integers never come out longer than they went in: one reservation is enough.
  const out = cursor.out.reserve(input.length - at);
  let to = cursor.out.length;
  for (;;) {
    let byte = input[at] ?? END;
    const negative = byte === MINUS;
    if (negative) byte = input[++at] ?? END;
    const start = to;
    if (byte === ZERO) {
      out[to++] = ZERO;
      byte = input[++at] ?? END;
    } else {
      if (negative) out[to++] = MINUS;
      while (byte >= ZERO && byte <= NINE) {
        out[to++] = byte;
        byte = input[++at] ?? END;
      }
      if (to - start < (negative ? 2 : 1)) return false;
    }
    if (byte === DOT) {
      const fraction = at + 1;
      do byte = input[++at] ?? END;
      while (byte === ZERO);
      if (at === fraction || to - start > EXACT_DIGITS) return false;
    }
    while (byte <= SPACE && isWhitespace(byte)) byte = input[++at] ?? END;
    if (byte !== COMMA && byte !== CLOSE_LIST) return false;
    out[to++] = byte;
    at++;
    if (byte === CLOSE_LIST) break;
    while ((input[at] ?? END) <= SPACE && isWhitespace(input[at] ?? END)) at++;
  }
  cursor.at = at;
  cursor.out.length = to;
  return true;
}

/** `[0.5,1,-1e-7]`: every number comes out with a fraction or an exponent. */
export function copyFloats(cursor: JsonCursor): boolean {
  return cursor.copyList(copyFloatItem) !== FAILED;
}

function copyFloatItem(cursor: JsonCursor): boolean {
  cursor.peek();
  return copyNumber(cursor, true);
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
