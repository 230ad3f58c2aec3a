/** Copies any JSON value without its white space. See json-cursor.ts for the rules. */
import { copyNumber } from "./copy-numbers.ts";
import {
  CLOSE_OBJECT,
  COLON,
  COMMA,
  END,
  FAILED,
  type JsonCursor,
  OPEN_LIST,
  OPEN_OBJECT,
  QUOTE,
  SPACE,
} from "./json-cursor.ts";

const BACKSLASH = 0x5c;
const SLASH = 0x2f;
const LETTER_U = 0x75;
/** Well below what the careful parser takes. */
const MAX_DEPTH = 256;
const LITERALS = ["null", "true", "false"].map((literal) => Buffer.from(literal));

/** Bits of copyObject's answer: which of a message's keys it saw. */
export const SAW_ROLE = 1;
export const SAW_CONTENT = 2;
const ROLE = Buffer.from('"role"');
const CONTENT = Buffer.from('"content"');

/** Any one value. */
export function copyValue(cursor: JsonCursor, depth = 0): boolean {
  const byte = cursor.peek();
  if (byte === QUOTE) return copyString(cursor);
  if (byte === OPEN_OBJECT) return copyObject(cursor, depth + 1) !== FAILED;
  if (byte === OPEN_LIST) {
    return depth < MAX_DEPTH && cursor.copyList((inner) => copyValue(inner, depth + 1)) !== FAILED;
  }
  return copyLiteral(cursor) || copyNumber(cursor, false);
}

function copyLiteral(cursor: JsonCursor): boolean {
  for (const literal of LITERALS) {
    if (startsWith(cursor.input, cursor.at, literal)) {
      cursor.out.copy(literal, 0, literal.length);
      cursor.at += literal.length;
      return true;
    }
  }
  return false;
}

/** One object: FAILED, or which of SAW_ROLE and SAW_CONTENT are among its own keys. */
export function copyObject(cursor: JsonCursor, depth = 0): number {
  if (depth > MAX_DEPTH || !cursor.copyByte(OPEN_OBJECT)) return FAILED;
  if (cursor.copyByte(CLOSE_OBJECT)) return 0;
  let saw = 0;
  for (;;) {
    const keyStart = cursor.out.length;
    if (cursor.peek() !== QUOTE || !copyString(cursor)) return FAILED;
    if (startsWith(cursor.out.buffer, keyStart, ROLE)) saw |= SAW_ROLE;
    if (startsWith(cursor.out.buffer, keyStart, CONTENT)) saw |= SAW_CONTENT;
    if (!cursor.copyByte(COLON) || !copyValue(cursor, depth)) return FAILED;
    if (cursor.copyByte(CLOSE_OBJECT)) return saw;
    if (!cursor.copyByte(COMMA)) return FAILED;
  }
}

/** True when `expected` stands at that place. */
export function startsWith(bytes: Buffer, at: number, expected: Buffer): boolean {
  for (let index = 0; index < expected.length; index++) {
    if (bytes[at + index] !== expected[index]) return false;
  }
  return true;
}

/** One string, whose quote is right here. */
export function copyString(cursor: JsonCursor): boolean {
  const { input, at: start, out } = cursor;
  let at = start + 1;
  let isRewritten = false;
  for (;;) {
    const byte = input[at] ?? END;
    if (byte === QUOTE) break;
    if (byte < SPACE) return false;
    if (byte === BACKSLASH) {
      // \u and \/ may stand for plain characters; the other escapes are written as they came.
      const letter = input[++at] ?? END;
      if (letter === LETTER_U || letter === SLASH) isRewritten = true;
      else if (!isShortEscape(letter)) return false;
    }
    at++;
  }
  cursor.at = at + 1;
  if (!isRewritten) {
    out.copy(input, start, at + 1);
    return true;
  }
  const value = decodeString(input.toString("utf8", start, at + 1));
  if (value === undefined) return false;
  out.text(JSON.stringify(value));
  return true;
}

/** The letter after a backslash: one of `" \ b f n r t`. */
function isShortEscape(letter: number): boolean {
  switch (letter) {
    case QUOTE:
    case BACKSLASH:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return true;
    default:
      return false;
  }
}

function decodeString(lexeme: string): string | undefined {
  try {
    const value: unknown = JSON.parse(lexeme);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}
