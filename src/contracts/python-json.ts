/**
 * JSON as Python's json module reads and writes it, because chat templates and inference servers are written in
 * Python and training text must match theirs byte for byte. What JavaScript's JSON loses is kept: `1.0` and `1`
 * differ, integers are exact at any size, NaN and Infinity exist, and keys like "10" stay where they were written.
 *
 * A Python int is a bigint here and a float a number, so that the type says how a value is printed. Reading is
 * linear in the text and its depth is bounded, so that no text can overflow the stack.
 */
import type { JsonValue } from "./chat.ts";
import { pythonFloatRepr, pythonJsonDumps } from "./python-json-dumps.ts";

export { pythonFloatRepr, pythonJsonDumps };

export type PythonDict = Map<string, PythonValue>;
/** bigint = int, number = float. */
export type PythonValue = null | boolean | bigint | number | string | PythonValue[] | PythonDict;

export type PythonJsonOptions = {
  /** `strict=False`: control characters may stand in strings. */
  allowControlCharacters?: boolean;
};

export type PythonJsonProblem = {
  ok: false;
  /** In the words of Python's JSONDecodeError. */
  message: string;
  /** Where Python says the problem is, in UTF-16 code units. */
  position: number;
  /** How far the text was read: no value that was open there can be read by starting inside it. */
  reached: number;
};

export type DecodedJson = { ok: true; value: PythonValue; end: number } | PythonJsonProblem;
export type TriedJson = { ok: true; value: PythonValue } | PythonJsonProblem;

/** `json.loads`. Throws a SyntaxError that says where. */
export function pythonJsonParse(text: string, options?: PythonJsonOptions): PythonValue {
  const tried = tryPythonJsonParse(text, options);
  if (tried.ok) return tried.value;
  throw new SyntaxError(`${tried.message} at position ${tried.position}`);
}

/** `json.loads` that never throws. */
export function tryPythonJsonParse(text: string, options?: PythonJsonOptions): TriedJson {
  if (text.charCodeAt(0) === 0xfeff) {
    const message = "Unexpected UTF-8 BOM (decode using utf-8-sig)";
    return { ok: false, message, position: 0, reached: 0 };
  }
  const decoded = rawDecode(text, skipWhitespace(text, 0), options);
  if (!decoded.ok) return decoded;
  const end = skipWhitespace(text, decoded.end);
  if (end === text.length) return { ok: true, value: decoded.value };
  return { ok: false, message: "Extra data", position: end, reached: end };
}

/** `JSONDecoder.raw_decode`: the value that starts exactly at `start`, and where it ends. Never throws. */
export function rawDecode(text: string, start: number, options?: PythonJsonOptions): DecodedJson {
  const reader = new Reader(text, start, options?.allowControlCharacters ?? false);
  const value = reader.value(0);
  if (value === undefined) {
    return { ok: false, message: reader.message, position: reader.problemAt, reached: reader.position };
  }
  return { ok: true, value, end: reader.position };
}

/** A JSON value of JavaScript as Python would hold it: whole numbers become ints. */
export function toPythonValue(value: JsonValue): PythonValue {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(toPythonValue);
  if (typeof value !== "object" || value === null) return value;
  return new Map(Object.entries(value).map(([key, item]) => [key, toPythonValue(item)]));
}

/** The first position from `from` on that is no JSON whitespace. */
export function skipWhitespace(text: string, from: number): number {
  let position = from;
  while (isWhitespace(text.charCodeAt(position))) position++;
  return position;
}

function isWhitespace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** CPython 3.11 gives up near here; deeper text is no model's honest output. */
const maxDepth = 990;
/** `sys.get_int_max_str_digits()`; it also keeps reading linear. */
const maxDigits = 4300;

const quote = 0x22;
const backslash = 0x5c;

const literals: readonly (readonly [text: string, value: PythonValue])[] = [
  ["null", null],
  ["true", true],
  ["false", false],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
];

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** Reads values recursively; undefined means a problem, which is then in `message` and `problemAt`. */
class Reader {
  readonly #text: string;
  readonly #allowControl: boolean;
  position: number;
  message = "";
  problemAt = 0;

  constructor(text: string, start: number, allowControl: boolean) {
    this.#text = text;
    this.position = start;
    this.#allowControl = allowControl;
  }

  value(depth: number): PythonValue | undefined {
    const code = this.#text.charCodeAt(this.position);
    if (code === quote) return this.#string();
    if (code === 0x7b || code === 0x5b) {
      if (depth >= maxDepth) return this.#fail("Nested too deeply", this.position);
      return code === 0x7b ? this.#dict(depth) : this.#list(depth);
    }
    if (code === 0x2d || isDigit(code)) {
      const number = this.#number();
      if (number !== undefined) return number;
      if (this.message !== "") return undefined;
    }
    for (const [text, value] of literals) {
      if (code === text.charCodeAt(0) && this.#text.startsWith(text, this.position)) {
        this.position += text.length;
        return value;
      }
    }
    return this.#fail("Expecting value", this.position);
  }

  #fail(message: string, position: number): undefined {
    this.message = message;
    this.problemAt = position;
    return undefined;
  }

  #skip(): number {
    this.position = skipWhitespace(this.#text, this.position);
    return this.#text.charCodeAt(this.position);
  }

  #dict(depth: number): PythonDict | undefined {
    const dict: PythonDict = new Map();
    this.position++;
    if (this.#skip() === 0x7d) {
      this.position++;
      return dict;
    }
    for (;;) {
      if (this.#text.charCodeAt(this.position) !== quote) {
        return this.#fail("Expecting property name enclosed in double quotes", this.position);
      }
      const key = this.#string();
      if (key === undefined) return undefined;
      if (this.#skip() !== 0x3a) return this.#fail("Expecting ':' delimiter", this.position);
      this.position++;
      this.#skip();
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      dict.set(key, value);
      const code = this.#skip();
      if (code === 0x7d) break;
      if (code !== 0x2c) return this.#fail("Expecting ',' delimiter", this.position);
      this.position++;
      this.#skip();
    }
    this.position++;
    return dict;
  }

  #list(depth: number): PythonValue[] | undefined {
    const list: PythonValue[] = [];
    this.position++;
    if (this.#skip() === 0x5d) {
      this.position++;
      return list;
    }
    for (;;) {
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      list.push(value);
      const code = this.#skip();
      if (code === 0x5d) break;
      if (code !== 0x2c) return this.#fail("Expecting ',' delimiter", this.position);
      this.position++;
      this.#skip();
    }
    this.position++;
    return list;
  }

  /** Digits that form no number (a lone minus) are left where they are, without a message. */
  #number(): bigint | number | undefined {
    const text = this.#text;
    const start = this.position;
    let end = start;
    if (text.charCodeAt(end) === 0x2d) end++;
    if (!isDigit(text.charCodeAt(end))) return undefined;
    end = text.charCodeAt(end) === 0x30 ? end + 1 : skipDigits(text, end);
    const wholeEnd = end;
    if (text.charCodeAt(end) === 0x2e && isDigit(text.charCodeAt(end + 1))) end = skipDigits(text, end + 1);
    const exponent = text.charCodeAt(end);
    if (exponent === 0x65 || exponent === 0x45) {
      const sign = text.charCodeAt(end + 1);
      const digits = sign === 0x2b || sign === 0x2d ? end + 2 : end + 1;
      if (isDigit(text.charCodeAt(digits))) end = skipDigits(text, digits);
    }
    this.position = end;
    if (end !== wholeEnd) return Number(text.slice(start, end));
    if (end - start > maxDigits + (text.charCodeAt(start) === 0x2d ? 1 : 0)) {
      return this.#fail("Exceeds the limit of digits of an integer", start);
    }
    return BigInt(text.slice(start, end));
  }

  #string(): string | undefined {
    const text = this.#text;
    const start = this.position;
    let value = "";
    let plainFrom = start + 1;
    let position = plainFrom;
    for (;;) {
      const code = text.charCodeAt(position);
      if (code === quote) break;
      if (code === backslash) {
        value += text.slice(plainFrom, position);
        this.position = position;
        const unescaped = this.#escape(start);
        if (unescaped === undefined) return undefined;
        value += unescaped;
        position = this.position;
        plainFrom = position;
        continue;
      }
      if (position >= text.length) {
        this.position = position;
        return this.#fail("Unterminated string starting at", start);
      }
      if (code < 0x20 && !this.#allowControl) {
        this.position = position;
        return this.#fail("Invalid control character at", position);
      }
      position++;
    }
    this.position = position + 1;
    return value === "" ? text.slice(plainFrom, position) : value + text.slice(plainFrom, position);
  }

  /** The escape at `position`, which is a backslash. */
  #escape(stringStart: number): string | undefined {
    const text = this.#text;
    const at = this.position;
    const letter = text.charAt(at + 1);
    if (letter === "") return this.#fail("Unterminated string starting at", stringStart);
    if (letter === "u") {
      const digits = text.slice(at + 2, at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) return this.#fail("Invalid \\uXXXX escape", at + 1);
      this.position = at + 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const escaped = escapes[letter];
    if (escaped === undefined) return this.#fail("Invalid \\escape", at);
    this.position = at + 2;
    return escaped;
  }
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function skipDigits(text: string, from: number): number {
  let position = from;
  while (isDigit(text.charCodeAt(position))) position++;
  return position;
}
