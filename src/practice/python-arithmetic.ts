/**
 * Arithmetic as people write it in worked solutions ("$1,200 x 50%", ".5*10", "2(3+4)") as an expression that
 * Python evaluates. What is not plain arithmetic gives null, so whatever comes out is safe to run.
 *
 *   sum     = product (("+" | "-") product)*
 *   product = factor (("*" | "x" | "/" | "//" | nothing before a parenthesis) factor)*
 *   factor  = ("+" | "-") factor | atom "%"*
 *   atom    = number | "(" sum ")"
 */
export type Arithmetic = { python: string; value: number };

const tokenPattern =
  /\s*(?:(\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)|(\/\/|[-+*/()%])|([x×·])|([÷])|([−–]))/iy;
const currency = /[$€£¥]/g;
const maxDepth = 50;

/** Null too when the value is no finite number, as for a division by zero. */
export function toPythonArithmetic(text: string): Arithmetic | null {
  const tokens = tokenize(text.replace(currency, ""));
  if (tokens === null) return null;
  const parser = new Parser(tokens);
  const parsed = parser.parse();
  return parsed && Number.isFinite(parsed.value) ? parsed : null;
}

function tokenize(text: string): string[] | null {
  const tokens: string[] = [];
  const end = text.trimEnd().length;
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < end) {
    const match = tokenPattern.exec(text);
    if (!match) return null;
    const [, number, operator, times, division, minus] = match;
    const token =
      (number && pythonNumber(number)) || operator || (times && "*") || (division && "/") || (minus && "-");
    if (!token) return null;
    tokens.push(token);
  }
  return tokens.length > 0 ? tokens : null;
}

/** No separators, no leading zeros (Python refuses 007), digits on both sides of the point. */
function pythonNumber(written: string): string {
  const [whole = "", fraction = ""] = written.replaceAll(",", "").split(".");
  const digits = whole.replace(/^0+(?=\d)/, "") || "0";
  return fraction === "" ? digits : `${digits}.${fraction}`;
}

class Parser {
  readonly #tokens: readonly string[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  parse(): Arithmetic | null {
    const sum = this.#sum();
    return this.#next === this.#tokens.length ? sum : null;
  }

  #sum(): Arithmetic | null {
    let left = this.#product();
    for (let operator = this.#take("+", "-"); operator && left; operator = this.#take("+", "-")) {
      const right = this.#product();
      left = right && {
        python: `${left.python} ${operator} ${right.python}`,
        value: operator === "+" ? left.value + right.value : left.value - right.value,
      };
    }
    return left;
  }

  #product(): Arithmetic | null {
    let left = this.#factor();
    for (let operator = this.#timesOrOver(); operator && left; operator = this.#timesOrOver()) {
      const right = this.#factor();
      left = right && {
        python: `${left.python} ${operator} ${right.python}`,
        value: multiply(operator, left.value, right.value),
      };
    }
    return left;
  }

  #timesOrOver(): string | undefined {
    return this.#take("*", "/", "//") ?? (this.#peek() === "(" ? "*" : undefined);
  }

  #factor(): Arithmetic | null {
    const sign = this.#take("+", "-");
    if (!sign) return this.#percentages(this.#atom());
    const factor = this.#nested(() => this.#factor());
    return (
      factor && { python: `${sign}${factor.python}`, value: sign === "-" ? -factor.value : factor.value }
    );
  }

  #percentages(atom: Arithmetic | null): Arithmetic | null {
    let result = atom;
    while (result && this.#take("%")) {
      result = { python: `(${result.python} / 100)`, value: result.value / 100 };
    }
    return result;
  }

  #atom(): Arithmetic | null {
    if (this.#take("(")) {
      const inner = this.#nested(() => this.#sum());
      return inner && this.#take(")") ? { python: `(${inner.python})`, value: inner.value } : null;
    }
    const token = this.#peek();
    if (token === undefined || !/^\d/.test(token)) return null;
    this.#next += 1;
    return { python: token, value: Number(token) };
  }

  #nested(parse: () => Arithmetic | null): Arithmetic | null {
    if (this.#depth >= maxDepth) return null;
    this.#depth += 1;
    const parsed = parse();
    this.#depth -= 1;
    return parsed;
  }

  #peek(): string | undefined {
    return this.#tokens[this.#next];
  }

  #take(...wanted: readonly string[]): string | undefined {
    const token = this.#peek();
    if (token === undefined || !wanted.includes(token)) return undefined;
    this.#next += 1;
    return token;
  }
}

function multiply(operator: string, left: number, right: number): number {
  if (operator === "*") return left * right;
  return operator === "//" ? Math.floor(left / right) : left / right;
}
