/**
 * Python's tokens, as far as expressions need them: names, numbers, strings with every prefix and escape, operators,
 * and the newlines that end statements. What CPython's tokenizer refuses is refused here; time is linear.
 *
 * Not carried: `\N{NAME}` escapes (the names of all characters are not at hand) and f-strings, whose value is no
 * literal anyway.
 */
import { isQuote, readPythonString } from "./python-string-literal.ts";

export type PythonToken = { start: number; end: number } & (
  | { kind: "name"; text: string }
  | { kind: "number"; value: bigint | number | "complex" }
  | { kind: "string"; value: string | "bytes" | "formatted"; isText: boolean }
  | { kind: "operator"; text: string }
  | { kind: "newline" }
  | { kind: "end" }
);

/** Why the text is no Python, and how far it was read. */
export class PythonProblem {
  readonly reason: string;
  readonly reached: number;
  constructor(reason: string, reached: number) {
    this.reason = reason;
    this.reached = reached;
  }
}

/** Names that cannot be arguments or values (soft keywords such as `match` can). */
export const pythonKeywords: ReadonlySet<string> = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for from " +
    "global if import in is lambda nonlocal not or pass raise return try while with yield"
  ).split(" "),
);

const operators = /\*\*=?|\/\/=?|<<=?|>>=?|<=|>=|==|!=|->|:=|\.\.\.|[-+*/%@&|^=]=?|[~<>()[\]{},:.;]/y;
const identifier = /[\p{XID_Start}_]\p{XID_Continue}*/uy;
const stringPrefix = /^(?:[rbuf]|br|rb|fr|rf)$/i;
const number =
  /0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9](?:_?[0-9])*)?[jJ]?/y;

/** CPython's limits: nested brackets, and digits of an int that is printed. */
const maxBrackets = 200;
const maxDigits = 4300;

export class PythonTokens {
  readonly #text: string;
  #position: number;
  #brackets = 0;

  constructor(text: string, start: number) {
    this.#text = text;
    this.#position = start;
  }

  /** The next token, or why there is none. A newline is a token only outside brackets. */
  next(): PythonToken | PythonProblem {
    const problem = this.#skipBlank();
    if (problem !== undefined) return problem;
    const text = this.#text;
    const start = this.#position;
    const code = text.charCodeAt(start);
    if (Number.isNaN(code)) return { kind: "end", start, end: start };
    if (code === 0x0a || code === 0x0d)
      return this.#take({ kind: "newline", start, end: newlineEnd(text, start) });
    if (isQuote(code)) return this.#string("", start);
    if (isDigit(code) || (code === 0x2e && isDigit(text.charCodeAt(start + 1)))) return this.#number(start);
    const nameEnd = identifierEnd(text, start);
    if (nameEnd > start) return this.#name(text.slice(start, nameEnd), start);
    const operator = operatorAt(text, start, code);
    if (operator === undefined)
      return new PythonProblem(`"${text.charAt(start)}" is not allowed here`, start);
    return this.#operator(operator, start);
  }

  #take(token: PythonToken): PythonToken {
    this.#position = token.end;
    return token;
  }

  #operator(text: string, start: number): PythonToken | PythonProblem {
    if (text === "(" || text === "[" || text === "{") {
      this.#brackets++;
      if (this.#brackets > maxBrackets) return new PythonProblem("brackets are nested too deeply", start);
    } else if (text === ")" || text === "]" || text === "}") {
      this.#brackets = Math.max(0, this.#brackets - 1);
    }
    return this.#take({ kind: "operator", text, start, end: start + text.length });
  }

  #name(name: string, start: number): PythonToken | PythonProblem {
    const end = start + name.length;
    if (isQuote(this.#text.charCodeAt(end)) && stringPrefix.test(name)) {
      return this.#string(name.toLowerCase(), start);
    }
    return this.#take({ kind: "name", text: isAscii(name) ? name : name.normalize("NFKC"), start, end });
  }

  #string(prefix: string, start: number): PythonToken | PythonProblem {
    const read = readPythonString(this.#text, start + prefix.length, {
      raw: prefix.includes("r"),
      bytes: prefix.includes("b"),
    });
    if (!read.ok) return new PythonProblem(read.reason, read.reached);
    const isText = !prefix.includes("b") && !prefix.includes("f");
    const value = isText ? read.value : prefix.includes("b") ? "bytes" : "formatted";
    return this.#take({ kind: "string", value, isText, start, end: read.end });
  }

  #number(start: number): PythonToken | PythonProblem {
    number.lastIndex = start;
    const [literal = ""] = number.exec(this.#text) ?? [];
    const end = start + literal.length;
    if (literal === "" || identifierEnd(this.#text, end) > end || isDigit(this.#text.charCodeAt(end))) {
      return new PythonProblem("invalid number", start);
    }
    const value = numberValue(literal.replaceAll("_", ""));
    if (value === undefined) return new PythonProblem("a number has leading zeros or too many digits", start);
    return this.#take({ kind: "number", value, start, end });
  }

  /** Whitespace, comments, joined lines; newlines too inside brackets. */
  #skipBlank(): PythonProblem | undefined {
    const text = this.#text;
    let position = this.#position;
    for (;;) {
      const code = text.charCodeAt(position);
      if (code === 0x20 || code === 0x09 || code === 0x0c) position++;
      else if ((code === 0x0a || code === 0x0d) && this.#brackets > 0) position++;
      else if (code === 0x23) position = lineEnd(text, position);
      else if (code === 0x5c) {
        const after = newlineEnd(text, position + 1);
        if (after === position + 1 || after >= text.length) {
          return new PythonProblem("a backslash must end a line", position);
        }
        position = after;
      } else break;
    }
    this.#position = position;
    return undefined;
  }
}

/** Where the name at `start` ends; `start` if there is none. Most names are ASCII and need no pattern. */
function identifierEnd(text: string, start: number): number {
  let end = start;
  let code = text.charCodeAt(end);
  while (isAsciiLetter(code) || (end > start && isDigit(code))) code = text.charCodeAt(++end);
  if (!(code >= 0x80)) return end;
  identifier.lastIndex = start;
  return start + (identifier.exec(text)?.[0].length ?? 0);
}

function isAsciiLetter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f;
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) >= 0x80) return false;
  return true;
}

/** Brackets, commas and semicolons are never a part of longer operators. */
function operatorAt(text: string, start: number, code: number): string | undefined {
  const isAlone =
    (code >= 0x28 && code <= 0x29) || code === 0x2c || code === 0x3b || code === 0x5b || code === 0x5d;
  if (isAlone || code === 0x7b || code === 0x7d) return text.charAt(start);
  operators.lastIndex = start;
  return operators.exec(text)?.[0];
}

function numberValue(literal: string): bigint | number | "complex" | undefined {
  const base = { x: 16, o: 8, b: 2 }[literal.charAt(1).toLowerCase()];
  if (base !== undefined) {
    if ((literal.length - 2) * Math.log10(base) > maxDigits + 1) return undefined;
    const value = BigInt(literal);
    return value.toString().length > maxDigits ? undefined : value;
  }
  if (/[jJ]$/.test(literal)) return "complex";
  if (/[.eE]/.test(literal)) return Number(literal);
  if (literal.length > maxDigits || /^0+[1-9]/.test(literal)) return undefined;
  return BigInt(literal);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function lineEnd(text: string, from: number): number {
  let position = from;
  while (position < text.length) {
    const code = text.charCodeAt(position);
    if (code === 0x0a || code === 0x0d) break;
    position++;
  }
  return position;
}

/** Where the newline at `position` ends, or `position` if there is none. */
function newlineEnd(text: string, position: number): number {
  const code = text.charCodeAt(position);
  if (code === 0x0d) return text.charCodeAt(position + 1) === 0x0a ? position + 2 : position + 1;
  return code === 0x0a ? position + 1 : position;
}
