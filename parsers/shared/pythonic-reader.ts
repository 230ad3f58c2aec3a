/**
 * Reads Python expressions into a small tree, by Python's own grammar: what `ast.parse` accepts as a call list is
 * accepted, what it refuses is refused. Values that a tool call can carry are kept; other expressions (arithmetic,
 * comparisons, attributes) are only checked, since no parser reads them as arguments. Lambdas, comprehensions, `:=`,
 * `yield` and `await` are refused: they cannot stand in a tool call, and a refused text is a text as before.
 *
 * Recursion follows brackets only, of which CPython allows 200; time is linear.
 */
import type { PythonValue } from "../../src/contracts/python-json.ts";
import { PythonProblem, type PythonToken, PythonTokens, pythonKeywords } from "./python-tokens.ts";

export { PythonProblem };

export type PythonNode = { start: number; end: number } & (
  | { kind: "constant"; value: PythonValue }
  /** A number with a sign: `ast` has no negative constants. */
  | { kind: "signed"; value: bigint | number }
  | { kind: "name"; name: string }
  | { kind: "list" | "tuple" | "set"; items: PythonNode[] }
  | { kind: "dict"; entries: { key: PythonNode | null; value: PythonNode }[] }
  | { kind: "call"; callee: string | null; positional: number; keywords: PythonKeyword[] }
  /** `a.b.c`, or null where it does not start with a name. */
  | { kind: "attribute"; path: string | null }
  | { kind: "other"; what: string }
);

/** `name=value`, or `**value` where the name is null. */
export type PythonKeyword = { name: string | null; value: PythonNode };

const constants = new Map<string, PythonValue>([
  ["None", null],
  ["True", true],
  ["False", false],
]);
const binaryOperators: ReadonlySet<string> = new Set(
  "+ - * / // % @ ** << >> & | ^ < > <= >= == !=".split(" "),
);

/** The first expression at `start` (not a tuple without brackets) and where it ends. Never throws. */
export function readExpression(text: string, start: number): PythonNode | PythonProblem {
  return attempt(() => new ExpressionReader(text, start).expression());
}

/**
 * The value of the first statement of a whole Python text, as `ast.parse(text).body[0].value`: the statements after it
 * must be Python too, and are lost. Statements other than expressions, `x = y` and `x: y` are refused.
 */
export function readFirstStatement(text: string): PythonNode | PythonProblem {
  if (text.includes("\0")) return new PythonProblem("null bytes are not allowed", 0);
  return attempt(() => new ExpressionReader(text, 0).module());
}

/** The list whose bracket stands at `start`; what follows it is not looked at. Never throws. */
export function readList(text: string, start: number): PythonNode | PythonProblem {
  return attempt(() => new ExpressionReader(text, start).list());
}

/** The call `name(...)` or `dotted.name(...)` at `start`; what follows it is not looked at. Never throws. */
export function readCall(text: string, start: number): PythonNode | PythonProblem {
  return attempt(() => new ExpressionReader(text, start).call());
}

function attempt(read: () => PythonNode): PythonNode | PythonProblem {
  try {
    return read();
  } catch (problem) {
    if (problem instanceof PythonProblem) return problem;
    throw problem;
  }
}

/** Throws PythonProblems, which do not leave this file. */
class ExpressionReader {
  readonly #text: string;
  readonly #tokens: PythonTokens;
  /** Read only when it is asked for: what follows the last bracket need not be Python. */
  #current: PythonToken | undefined;

  constructor(text: string, start: number) {
    this.#text = text;
    this.#tokens = new PythonTokens(text, start);
  }

  module(): PythonNode {
    while (this.#isA("newline")) this.#advance();
    this.#refuseIndent();
    const first = this.#statement();
    for (;;) {
      if (this.#isA("end")) return first;
      const separator = this.#token;
      if (separator.kind !== "newline" && !this.#is(";")) this.#refuse();
      this.#advance();
      while (this.#isA("newline")) this.#advance();
      if (this.#isA("end")) return first;
      if (separator.kind === "newline" || /[\r\n]/.test(this.#text.slice(separator.end, this.#token.start))) {
        this.#refuseIndent();
      }
      this.#statement();
    }
  }

  /** A name, value, call or operation, up to what cannot continue it. */
  expression(): PythonNode {
    const first = this.#operand(true);
    let last = first;
    let isOperation = false;
    let awaitsElse = false;
    for (;;) {
      const token = this.#token;
      let allowsNot = false;
      if (token.kind === "operator" && binaryOperators.has(token.text)) this.#advance();
      else if (token.kind !== "name") break;
      else if (token.text === "and" || token.text === "or") {
        allowsNot = true;
        this.#advance();
      } else if (token.text === "in") this.#advance();
      else if (token.text === "is") {
        this.#advance();
        if (this.#isName("not")) this.#advance();
      } else if (token.text === "not") {
        this.#advance();
        if (!this.#isName("in")) this.#refuse();
        this.#advance();
      } else if (token.text === (awaitsElse ? "else" : "if")) {
        awaitsElse = !awaitsElse;
        allowsNot = true;
        this.#advance();
      } else break;
      isOperation = true;
      last = this.#operand(allowsNot);
    }
    if (awaitsElse) this.#refuse();
    if (!isOperation) return first;
    return { kind: "other", what: "an operation", start: first.start, end: last.end };
  }

  list(): PythonNode {
    if (!this.#is("[")) this.#refuse();
    return this.#list();
  }

  call(): PythonNode {
    const { start } = this.#token;
    const path = [this.#identifier()];
    while (this.#is(".")) {
      this.#advance();
      path.push(this.#identifier());
    }
    if (!this.#is("(")) this.#refuse();
    return this.#call(path.join("."), start);
  }

  #statement(): PythonNode {
    const first = this.#expressionList();
    if (first.kind === "name" && this.#is(":")) {
      this.#advance();
      this.expression();
    }
    if (first.kind === "name" && this.#is("=")) {
      this.#advance();
      return this.#expressionList();
    }
    return first;
  }

  /** Expressions with commas between them are a tuple. */
  #expressionList(): PythonNode {
    const first = this.expression();
    if (!this.#is(",")) return first;
    const items = [first];
    while (this.#is(",")) {
      this.#advance();
      if (this.#isA("newline") || this.#isA("end") || this.#is(";")) break;
      items.push(this.expression());
    }
    return { kind: "tuple", items, start: first.start, end: this.#token.start };
  }

  #operand(allowsNot: boolean): PythonNode {
    const start = this.#token.start;
    let sign: "" | "+" | "-" = "";
    let prefixes = 0;
    let mayNot = allowsNot;
    for (;;) {
      if (mayNot && this.#isName("not")) sign = "";
      else if (this.#is("-") || this.#is("+") || this.#is("~")) {
        mayNot = false;
        sign = this.#is("-") ? "-" : this.#is("+") ? "+" : "";
      } else break;
      prefixes++;
      this.#advance();
    }
    const operand = this.#trailers(this.#atom());
    if (prefixes === 0) return operand;
    const number = operand.kind === "constant" ? operand.value : undefined;
    if (prefixes === 1 && sign !== "" && (typeof number === "bigint" || typeof number === "number")) {
      return { kind: "signed", value: sign === "-" ? -number : number, start, end: operand.end };
    }
    return { kind: "other", what: "an operation", start, end: operand.end };
  }

  #trailers(atom: PythonNode): PythonNode {
    let node = atom;
    for (;;) {
      const { start } = node;
      if (this.#is(".")) {
        this.#advance();
        const name = this.#identifier();
        const base = pathOf(node);
        node = {
          kind: "attribute",
          path: base === null ? null : `${base}.${name}`,
          start,
          end: this.#lastEnd,
        };
      } else if (this.#is("(")) {
        node = this.#call(pathOf(node), start);
      } else if (this.#is("[")) {
        this.#subscript();
        node = { kind: "other", what: "a subscript", start, end: this.#lastEnd };
      } else return node;
    }
  }

  #lastEnd = 0;

  #atom(): PythonNode {
    const token = this.#token;
    const { start, end } = token;
    if (token.kind === "name") {
      const value = constants.get(token.text);
      if (value === undefined && pythonKeywords.has(token.text)) this.#refuse();
      this.#advance();
      return value === undefined
        ? { kind: "name", name: token.text, start, end }
        : { kind: "constant", value, start, end };
    }
    if (token.kind === "number") {
      this.#advance();
      return token.value === "complex"
        ? { kind: "other", what: "a complex number", start, end }
        : { kind: "constant", value: token.value, start, end };
    }
    if (token.kind === "string") return this.#strings(token);
    if (this.#is("[")) return this.#list();
    if (this.#is("{")) return this.#braces();
    if (this.#is("(")) return this.#parentheses();
    if (this.#is("...")) {
      this.#advance();
      return { kind: "other", what: "an ellipsis", start, end };
    }
    return this.#refuse();
  }

  /** Neighbouring strings are one. */
  #strings(first: PythonToken & { kind: "string" }): PythonNode {
    const pieces: string[] = [];
    let isText = true;
    let isBytes: boolean | undefined;
    let token: PythonToken = first;
    while (token.kind === "string") {
      const bytes = !token.isText && token.value === "bytes";
      if (isBytes !== undefined && isBytes !== bytes) {
        throw new PythonProblem("bytes and text strings cannot be joined", token.start);
      }
      isBytes = bytes;
      isText &&= token.isText;
      pieces.push(token.value);
      this.#advance();
      token = this.#token;
    }
    const place = { start: first.start, end: this.#lastEnd };
    if (isText) return { kind: "constant", value: pieces.join(""), ...place };
    return { kind: "other", what: isBytes ? "a bytes string" : "a formatted string", ...place };
  }

  #list(): PythonNode {
    const { start } = this.#token;
    this.#advance();
    const items = this.#items("]");
    return { kind: "list", items, start, end: this.#lastEnd };
  }

  #parentheses(): PythonNode {
    const { start } = this.#token;
    this.#advance();
    if (this.#is(")")) {
      this.#advance();
      return { kind: "tuple", items: [], start, end: this.#lastEnd };
    }
    const items: PythonNode[] = [];
    let commas = 0;
    while (!this.#is(")")) {
      items.push(this.#item());
      if (!this.#is(",")) break;
      commas++;
      this.#advance();
    }
    this.#expect(")");
    const [only] = items;
    if (commas === 0 && only !== undefined) {
      if (only.kind === "other" && only.what === "an unpacking") this.#refuse();
      return only;
    }
    return { kind: "tuple", items, start, end: this.#lastEnd };
  }

  /** A dict or a set. */
  #braces(): PythonNode {
    const { start } = this.#token;
    this.#advance();
    const entries: { key: PythonNode | null; value: PythonNode }[] = [];
    if (this.#is("}")) {
      this.#advance();
      return { kind: "dict", entries, start, end: this.#lastEnd };
    }
    if (!this.#is("**")) {
      const first = this.#item();
      if (!this.#is(":")) {
        const items = [first];
        if (this.#is(",")) {
          this.#advance();
          items.push(...this.#items("}"));
        } else this.#expect("}");
        return { kind: "set", items, start, end: this.#lastEnd };
      }
      this.#advance();
      entries.push({ key: first, value: this.expression() });
    } else entries.push(this.#unpackedEntry());
    while (this.#is(",")) {
      this.#advance();
      if (this.#is("}")) break;
      if (this.#is("**")) entries.push(this.#unpackedEntry());
      else {
        const key = this.expression();
        this.#expect(":");
        entries.push({ key, value: this.expression() });
      }
    }
    this.#expect("}");
    return { kind: "dict", entries, start, end: this.#lastEnd };
  }

  #unpackedEntry(): { key: null; value: PythonNode } {
    this.#advance();
    return { key: null, value: this.expression() };
  }

  #items(close: string): PythonNode[] {
    const items: PythonNode[] = [];
    while (!this.#is(close)) {
      items.push(this.#item());
      if (!this.#is(",")) break;
      this.#advance();
    }
    this.#expect(close);
    return items;
  }

  /** An expression or `*expression`. */
  #item(): PythonNode {
    const { start } = this.#token;
    if (!this.#is("*")) return this.expression();
    this.#advance();
    const { end } = this.expression();
    return { kind: "other", what: "an unpacking", start, end };
  }

  #subscript(): void {
    this.#advance();
    for (;;) {
      const { start } = this.#token;
      let colons = 0;
      for (;;) {
        if (this.#is(":")) {
          colons++;
          this.#advance();
        } else if (this.#is("]") || this.#is(",")) break;
        else {
          this.#item();
          if (!this.#is(":") && !this.#is("]") && !this.#is(",")) this.#refuse();
        }
      }
      if (colons > 2 || this.#token.start === start) this.#refuse();
      if (!this.#is(",")) break;
      this.#advance();
      if (this.#is("]")) break;
    }
    this.#expect("]");
  }

  #call(callee: string | null, start: number): PythonNode {
    this.#advance();
    const found: PythonKeyword[] = [];
    let positional = 0;
    let isUnpacked = false;
    while (!this.#is(")")) {
      if (this.#is("**")) {
        isUnpacked = true;
        this.#advance();
        found.push({ name: null, value: this.expression() });
      } else if (this.#is("*")) {
        if (isUnpacked) this.#refuse();
        positional++;
        this.#item();
      } else {
        const name = this.#token;
        const value = this.expression();
        if (this.#is("=") && value.kind === "name" && name.kind === "name" && value.end === name.end) {
          this.#advance();
          found.push({ name: value.name, value: this.expression() });
        } else if (found.length > 0) {
          throw new PythonProblem("an argument without a name follows one with a name", value.start);
        } else positional++;
      }
      if (!this.#is(",")) break;
      this.#advance();
    }
    this.#expect(")");
    return { kind: "call", callee, positional, keywords: found, start, end: this.#lastEnd };
  }

  #identifier(): string {
    const token = this.#token;
    if (token.kind !== "name" || pythonKeywords.has(token.text)) return this.#refuse();
    this.#advance();
    return token.text;
  }

  #is(text: string): boolean {
    return this.#token.kind === "operator" && this.#token.text === text;
  }

  #isA(kind: PythonToken["kind"]): boolean {
    return this.#token.kind === kind;
  }

  #isName(text: string): boolean {
    return this.#token.kind === "name" && this.#token.text === text;
  }

  #expect(text: string): void {
    if (!this.#is(text)) this.#refuse();
    this.#advance();
  }

  get #token(): PythonToken {
    if (this.#current === undefined) {
      const token = this.#tokens.next();
      if (token instanceof PythonProblem) throw token;
      this.#current = token;
    }
    return this.#current;
  }

  #advance(): void {
    this.#lastEnd = this.#token.end;
    this.#current = undefined;
  }

  /** A statement must begin where its line begins. */
  #refuseIndent(): void {
    const before = this.#text.charAt(this.#token.start - 1);
    if (before === " " || before === "\t") throw new PythonProblem("unexpected indent", this.#token.start);
  }

  #refuse(): never {
    const { start, end } = this.#token;
    if (start >= this.#text.length) throw new PythonProblem("the text ends too early", start);
    throw new PythonProblem(
      `"${this.#text.slice(start, Math.min(end, start + 40))}" is not expected here`,
      start,
    );
  }
}

/** The dotted name that a call of `node` has. */
function pathOf(node: PythonNode): string | null {
  if (node.kind === "name") return node.name;
  return node.kind === "attribute" ? node.path : null;
}
