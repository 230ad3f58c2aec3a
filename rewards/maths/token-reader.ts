/** Walks over tokens and counts nesting, so that no answer can exhaust the stack. */
import { type Expression, UnreadableMaths } from "./expression.ts";
import type { Token } from "./tokenize.ts";

/** The rules that need each other; the reader carries them, so that their files import in one direction. */
export interface Grammar {
  relation(reader: TokenReader): Expression;
  sum(reader: TokenReader): Expression;
  power(reader: TokenReader): Expression;
  argument(reader: TokenReader): Expression;
}

const maxDepth = 60;
const nothing: Token = { kind: "sign", text: "", spaced: false };

export class TokenReader {
  readonly grammar: Grammar;
  readonly #tokens: Token[];
  #index = 0;
  #depth = 0;
  /** How many `|` are open: a bar closes the innermost one. */
  openBars = 0;
  /** How many integrals wait for their `dx`. */
  openIntegrals = 0;

  constructor(tokens: readonly Token[], grammar: Grammar) {
    this.grammar = grammar;
    this.#tokens = [...tokens];
  }

  get token(): Token {
    return this.#tokens[this.#index] ?? nothing;
  }

  get isAtEnd(): boolean {
    return this.#index >= this.#tokens.length;
  }

  get position(): number {
    return this.#index;
  }

  peek(ahead = 1): Token {
    return this.#tokens[this.#index + ahead] ?? nothing;
  }

  next(): Token {
    const { token } = this;
    this.#index++;
    return token;
  }

  returnTo(position: number): void {
    this.#index = position;
  }

  is(kind: Token["kind"], ...texts: string[]): boolean {
    return (
      !this.isAtEnd && this.token.kind === kind && (texts.length === 0 || texts.includes(this.token.text))
    );
  }

  isSign(...texts: string[]): boolean {
    return this.is("sign", ...texts);
  }

  /** `dx`, which ends an integrand. */
  get isAtDifferential(): boolean {
    return (
      this.openIntegrals > 0 &&
      this.is("name", "d") &&
      (this.peek().kind === "command" || /^[A-Za-z]$/.test(this.peek().text))
    );
  }

  takeSign(...texts: string[]): boolean {
    const found = this.isSign(...texts);
    if (found) this.#index++;
    return found;
  }

  takeCommand(...texts: string[]): boolean {
    const found = this.is("command", ...texts);
    if (found) this.#index++;
    return found;
  }

  expectSign(...texts: string[]): void {
    if (!this.takeSign(...texts)) this.refuse(`expected ${texts.join(" or ")}`);
  }

  refuse(reason: string): never {
    throw new UnreadableMaths(`${reason}, found ${this.token.text || "the end"}`);
  }

  /** LaTeX takes one digit where braces are left out: `\\frac13` is a third. */
  splitNumber(): void {
    const { token } = this;
    const first = { ...token, text: token.text.slice(0, 1) };
    this.#tokens.splice(this.#index, 1, first, { ...token, text: token.text.slice(1), spaced: false });
  }

  nested<T>(read: () => T): T {
    if (++this.#depth > maxDepth) this.refuse(`nested deeper than ${maxDepth}`);
    try {
      return read();
    } finally {
      this.#depth--;
    }
  }

  /** The raw tokens of the group that starts here, without its braces; for names of subscripts. */
  takeGroup(): Token[] {
    if (!this.takeSign("{")) return [this.next()];
    const tokens: Token[] = [];
    for (let depth = 1; !this.isAtEnd; ) {
      const token = this.next();
      if (token.kind === "sign" && token.text === "{") depth++;
      if (token.kind === "sign" && token.text === "}" && --depth === 0) return tokens;
      tokens.push(token);
    }
    return this.refuse("expected }");
  }
}
