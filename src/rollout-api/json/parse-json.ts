/**
 * Reads JSON as Python's json module does, down to its error messages and their positions: clients see both
 * in the server's 422. Used for small bodies and for whatever the byte scanner won't take (group-scanner.ts).
 */
import type { JsonNode } from "./json-node.ts";

export type ParsedJson =
  | { ok: true; node: JsonNode }
  /** Not JSON. `offset` counts characters (code points), as Python does. */
  | { ok: false; reason: "syntax"; message: string; offset: number }
  /** Nested beyond any use; reading on would exhaust the stack. */
  | { ok: false; reason: "too-deep" };

export const MAX_JSON_DEPTH = 512;

const WHITESPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const LITERALS: readonly [string, JsonNode][] = [
  ["null", { kind: "null" }],
  ["true", { kind: "boolean", value: true }],
  ["false", { kind: "boolean", value: false }],
  ["NaN", { kind: "float", lexeme: "NaN" }],
  ["Infinity", { kind: "float", lexeme: "Infinity" }],
  ["-Infinity", { kind: "float", lexeme: "-Infinity" }],
];
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** Parses one JSON document. */
export function parseJson(text: string): ParsedJson {
  try {
    return { ok: true, node: new Parser(text).document() };
  } catch (error) {
    if (!(error instanceof ParseFailure)) throw error;
    const { message, index } = error;
    if (index === undefined) return { ok: false, reason: "too-deep" };
    return { ok: false, reason: "syntax", message, offset: countCharacters(text.slice(0, index)) };
  }
}

/** Unwinds the parser; never leaves this module. */
class ParseFailure extends Error {
  readonly index: number | undefined;

  constructor(message: string, index?: number) {
    super(message);
    this.index = index;
  }
}

function countCharacters(text: string): number {
  let count = 0;
  for (const _character of text) count++;
  return count;
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonNode {
    this.#skipWhitespace();
    const node = this.#value(0);
    this.#skipWhitespace();
    if (this.#at < this.#text.length) this.#fail("Extra data");
    return node;
  }

  #value(depth: number): JsonNode {
    if (depth > MAX_JSON_DEPTH) throw new ParseFailure("too deep");
    switch (this.#text[this.#at]) {
      case '"':
        return { kind: "string", value: this.#string() };
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      default:
        return this.#scalar();
    }
  }

  #object(depth: number): JsonNode {
    const entries: [string, JsonNode][] = [];
    this.#at++;
    this.#skipWhitespace();
    if (this.#take("}")) return { kind: "object", entries };
    for (;;) {
      if (this.#text[this.#at] !== '"') this.#fail("Expecting property name enclosed in double quotes");
      const key = this.#string();
      this.#skipWhitespace();
      if (!this.#take(":")) this.#fail("Expecting ':' delimiter");
      this.#skipWhitespace();
      entries.push([key, this.#value(depth + 1)]);
      this.#skipWhitespace();
      if (this.#take("}")) return { kind: "object", entries };
      if (!this.#take(",")) this.#fail("Expecting ',' delimiter");
      this.#skipWhitespace();
    }
  }

  #array(depth: number): JsonNode {
    const items: JsonNode[] = [];
    this.#at++;
    this.#skipWhitespace();
    if (this.#take("]")) return { kind: "array", items };
    for (;;) {
      items.push(this.#value(depth + 1));
      this.#skipWhitespace();
      if (this.#take("]")) return { kind: "array", items };
      if (!this.#take(",")) this.#fail("Expecting ',' delimiter");
      this.#skipWhitespace();
    }
  }

  #scalar(): JsonNode {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match !== null) {
      this.#at = NUMBER.lastIndex;
      const isFloat = match[1] !== undefined || match[2] !== undefined;
      return { kind: isFloat ? "float" : "integer", lexeme: match[0] };
    }
    for (const [literal, node] of LITERALS) {
      if (this.#text.startsWith(literal, this.#at)) {
        this.#at += literal.length;
        return node;
      }
    }
    return this.#fail("Expecting value");
  }

  #string(): string {
    const begin = this.#at;
    let value = "";
    let runStart = ++this.#at;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(code)) this.#fail("Unterminated string starting at", begin);
      if (code < 0x20) this.#fail("Invalid control character at");
      if (code !== 0x22 && code !== 0x5c) {
        this.#at++;
        continue;
      }
      value += this.#text.slice(runStart, this.#at);
      this.#at++;
      if (code === 0x22) return value;
      value += this.#escape(begin);
      runStart = this.#at;
    }
  }

  /** The escape whose backslash was just passed. */
  #escape(stringBegin: number): string {
    const letter = this.#text[this.#at];
    if (letter === undefined) return this.#fail("Unterminated string starting at", stringBegin);
    if (letter === "u") {
      const digits = this.#text.slice(this.#at + 1, this.#at + 5);
      // An escape that ends the text is told as broken too, before the missing quote is.
      const isLast = this.#at + 5 >= this.#text.length;
      if (isLast || !/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail("Invalid \\uXXXX escape");
      this.#at += 5;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const character = ESCAPES[letter];
    if (character === undefined) return this.#fail("Invalid \\escape", this.#at - 1);
    this.#at++;
    return character;
  }

  #skipWhitespace(): void {
    WHITESPACE.lastIndex = this.#at;
    WHITESPACE.exec(this.#text);
    this.#at = WHITESPACE.lastIndex;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #fail(message: string, index: number = this.#at): never {
    throw new ParseFailure(message, index);
  }
}
