/** Numbers, names, brackets, roots, fractions and everything else that a product is made of. */
import { parseDecimal, type Rational } from "../rational.ts";
import { call, type Expression, integer, symbol } from "./expression.ts";
import { applyFunction, isFunction, parseBigOperator, parseDerivative } from "./parse-function.ts";
import { parseBracketed, parseMatrix, parseSetBraces } from "./parse-group.ts";
import type { TokenReader } from "./token-reader.ts";
import type { Token } from "./tokenize.ts";

export function parsePrimary(reader: TokenReader): Expression {
  const { token } = reader;
  if (reader.isAtEnd) reader.refuse("expected a number or a name");
  switch (token.kind) {
    case "number":
      return parseNumber(reader);
    case "text":
      reader.next();
      return { kind: "text", text: token.text };
    case "environment":
      return parseMatrix(reader);
    case "name":
      reader.next();
      return isFunction(token.text) ? applyFunction(reader, token.text) : parseName(reader, token.text);
    case "command":
      reader.next();
      return parseCommand(reader, token);
    case "sign":
      return parseSign(reader, token);
  }
}

function parseSign(reader: TokenReader, token: Token): Expression {
  if (token.text === "(" || token.text === "[") return parseBracketed(reader);
  if (token.text === "\\{") return parseSetBraces(reader);
  if (token.text === "{") return parseSetBraces(reader);
  if (token.text === "...") {
    reader.next();
    return symbol("…");
  }
  if (token.text === "|" || token.text === "\\|") {
    reader.next();
    reader.openBars++;
    const inside = reader.grammar.sum(reader);
    reader.openBars--;
    reader.expectSign("|", "\\|");
    return call("abs", inside);
  }
  return reader.refuse("expected a number or a name");
}

function parseNumber(reader: TokenReader): Expression {
  const { text } = reader.next();
  const [digits = "", exponent = "0"] = text.toLowerCase().split("e");
  const value = parseDecimal(digits.replace(/\.$/, ""), Number(exponent));
  if (value === null) reader.refuse("the number has too many digits");
  const period = digits.includes(".") && exponent === "0" ? takePeriod(reader) : null;
  if (period !== null) return { kind: "number", value: repeating(digits, period), isDecimal: false };
  const isDecimal = digits.includes(".") || Number(exponent) < 0;
  const number: Expression = { kind: "number", value, isDecimal };
  if (!reader.takeSign("_")) return number;
  const subscript = reader
    .takeGroup()
    .map((part) => part.text)
    .join("");
  const base = /^\d{1,2}$/.test(subscript) ? Number(subscript) : 0;
  const inBase = base >= 2 && base <= 36 ? readInBase(digits, base) : null;
  return inBase === null ? symbol(`${digits}_${subscript}`) : integer(inBase);
}

/** The digits under the line of `0.1\overline{6}`. */
function takePeriod(reader: TokenReader): string | null {
  if (!reader.is("command", "overline", "bar", "dot", "overbar")) return null;
  const [open, period, close] = [reader.peek(), reader.peek(2), reader.peek(3)];
  if (open.text !== "{" || close.text !== "}" || !/^\d{1,100}$/.test(period.text)) return null;
  reader.next();
  reader.takeGroup();
  return period.text;
}

function repeating(digits: string, period: string): Rational {
  const [whole = "", fraction = ""] = digits.split(".");
  const nines = 10n ** BigInt(period.length) - 1n;
  return {
    numerator: BigInt(whole + fraction) * nines + BigInt(period),
    denominator: nines * 10n ** BigInt(fraction.length),
  };
}

function readInBase(digits: string, base: number): bigint | null {
  let value = 0n;
  for (const digit of digits) {
    const worth = Number.parseInt(digit, 36);
    if (!(worth < base)) return null;
    value = value * BigInt(base) + BigInt(worth);
  }
  return value;
}

/** Names that are functions whatever stands in their brackets, and those that are only before a bare argument. */
const surelyFunctions = /^(?:f|g|h|F|G|H|phi|psi|Phi|Psi)$/;
const maybeFunctions = /^(?:p|q|r|s|u|v|w|y|P|Q|R|S|T|U|V|W|A|C|N|Pr|Var)$/;

function parseName(reader: TokenReader, name: string): Expression {
  if (name === "pi") return { kind: "constant", name: "pi" };
  if (["infinity", "infty", "inf", "oo"].includes(name)) return { kind: "constant", name: "infinity" };
  let full = name;
  if (reader.takeSign("_")) full += `_${spell(reader.takeGroup())}`;
  if (surelyFunctions.test(name) && takesInverse(reader)) full += "^-1";
  const primes = /^'+/.exec(reader.token.text)?.[0];
  if (primes !== undefined && reader.peek().text === "(") {
    full += primes;
    reader.next();
  }
  if (reader.isSign("(")) {
    const before = reader.position;
    const bracketed = parseBracketed(reader);
    const args = bracketed.kind === "bracketed" ? bracketed.items : [bracketed];
    const isBare = args.every((arg) => arg.kind === "symbol" || arg.kind === "number" || args.length > 1);
    if (surelyFunctions.test(name) || full !== name || (maybeFunctions.test(name) && isBare))
      return { kind: "application", name: full, args };
    reader.returnTo(before);
  }
  if (full === "e") return { kind: "constant", name: "e" };
  if (full === "i") return { kind: "constant", name: "i" };
  return symbol(full);
}

/** The `^{-1}` of `f^{-1}(x)`. */
function takesInverse(reader: TokenReader): boolean {
  const ahead = Array.from({ length: 6 }, (_, index) => reader.peek(index).text).join(" ");
  if (ahead !== "^ { - 1 } (") return false;
  reader.returnTo(reader.position + 5);
  return true;
}

function spell(tokens: readonly Token[]): string {
  return tokens
    .filter((token) => !/^[{}]$/.test(token.text))
    .map((token) => token.text)
    .join("");
}

const decorations =
  /^(?:math[a-z]+|vec|overline|bar|hat|tilde|widehat|boldsymbol|bm|dot|overrightarrow|underbrace|boxed|fbox|mathbf|ensuremath|cancel)$/;
const symbols =
  /^(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|upsilon|phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega|ell|hbar|nabla|partial|Re|Im|aleph|angle|triangle|clubsuit|checkmark|N|R|Z|Q|C|varrho|vartheta|varsigma)$/;

function parseCommand(reader: TokenReader, token: Token): Expression {
  const name = token.text;
  switch (name) {
    case "frac": {
      const top = parseArgument(reader);
      const bottom = parseArgument(reader);
      return parseDerivative(reader, top, bottom) ?? call("divide", top, bottom);
    }
    case "binom": {
      const top = parseArgument(reader);
      return call("binomial", top, parseArgument(reader));
    }
    case "sqrt":
      return applyFunction(reader, "sqrt");
    case "pi":
    case "infty":
      return parseName(reader, name);
    case "emptyset":
      return { kind: "set", items: [] };
    case "ldots":
      return symbol("…");
    case "circ":
      return symbol("∘");
    case "lvert":
    case "lVert": {
      const inside = reader.nested(() => reader.grammar.sum(reader));
      if (!reader.takeCommand("rvert", "rVert")) reader.refuse("expected |");
      return call("abs", inside);
    }
    case "lfloor":
    case "lceil": {
      const inside = reader.grammar.sum(reader);
      if (!reader.takeCommand(name === "lfloor" ? "rfloor" : "rceil"))
        reader.refuse("expected the closing bracket");
      return call(name === "lfloor" ? "floor" : "ceil", inside);
    }
    case "langle":
      return parseBracketed(reader, true);
    case "sum":
    case "prod":
    case "int":
    case "lim":
      return parseBigOperator(reader, name);
    case "operatorname":
      return parseOperatorName(reader);
  }
  if (name === "Gamma" && reader.isSign("(")) return gamma(parseBracketed(reader));
  if (isFunction(name)) return applyFunction(reader, name);
  if (decorations.test(name)) return parseDecorated(reader);
  if (symbols.test(name)) return parseName(reader, name);
  return reader.refuse(`\\${name} is unknown`);
}

/** Γ(n) is (n - 1)!. */
function gamma(argument: Expression): Expression {
  if (argument.kind === "bracketed") return { kind: "application", name: "Gamma", args: argument.items };
  return call("factorial", call("add", argument, integer(-1)));
}

/** What a command takes: a group, or the next digit or sign (`\frac13`). */
export function parseArgument(reader: TokenReader): Expression {
  const { token } = reader;
  if (token.kind !== "number" || token.text.length === 1) return parsePrimary(reader);
  reader.splitNumber();
  return parsePrimary(reader);
}

function parseOperatorName(reader: TokenReader): Expression {
  const name = spell(reader.takeGroup());
  if (isFunction(name)) return applyFunction(reader, name);
  return parseName(reader, name);
}

function parseDecorated(reader: TokenReader): Expression {
  const inside = parseArgument(reader);
  return inside.kind === "symbol" ? parseName(reader, inside.name) : inside;
}
