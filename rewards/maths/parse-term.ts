/** Sums, products and powers. What stands in a product (numbers, names, brackets, commands) is in parse-primary.ts. */
import { call, type Expression, isCall } from "./expression.ts";
import { parsePrimary } from "./parse-primary.ts";
import type { TokenReader } from "./token-reader.ts";

export function parseSum(reader: TokenReader): Expression {
  return reader.nested(() => {
    let left = parseProduct(reader);
    for (;;) {
      if (reader.takeSign("+")) left = call("add", left, parseProduct(reader));
      else if (reader.takeSign("-")) left = call("add", left, call("negate", parseProduct(reader)));
      else if (reader.is("command", "pm", "mp") || reader.is("name", "pm")) {
        const isMinus = reader.next().text === "mp";
        const right = parseProduct(reader);
        left = call("add", left, call("plusMinus", isMinus ? call("negate", right) : right));
      } else return left;
    }
  });
}

function parseProduct(reader: TokenReader): Expression {
  let left = parseSigned(reader);
  for (;;) {
    if (reader.takeSign("*") || reader.takeCommand("cdot", "times", "bullet", "circ"))
      left = call("multiply", left, parseSigned(reader));
    else if (reader.takeSign("/")) left = call("divide", left, parseSigned(reader));
    else if (reader.takeCommand("bmod", "mod")) left = call("mod", left, parseSigned(reader));
    else if (startsFactor(reader)) {
      const isFraction = reader.is("command", "frac") && reader.peek(-1).kind === "number";
      const right = parsePower(reader);
      left = (isFraction ? mixedNumber(left, right) : null) ?? call("multiply", left, right);
    } else if (startsMixedFraction(reader)) {
      const top = parsePrimary(reader);
      reader.expectSign("/");
      const mixed = mixedNumber(left, call("divide", top, parsePrimary(reader)));
      left = parsePostfix(reader, mixed ?? reader.refuse("a mixed number's fraction is less than one"));
    } else return left;
  }
}

function startsMixedFraction(reader: TokenReader): boolean {
  if (reader.peek(-1).kind !== "number") return false;
  return (
    reader.is("number") &&
    reader.token.spaced &&
    reader.peek().text === "/" &&
    reader.peek(2).kind === "number"
  );
}

/** `4\\frac{4}{9}` and `4 4/9` are sums, unless the fraction isn't a proper one. */
function mixedNumber(left: Expression, fraction: Expression): Expression | null {
  if (fraction.kind === "call" && fraction.name === "percent") {
    const [inside] = fraction.args;
    const mixed = inside === undefined ? null : mixedNumber(left, inside);
    return mixed === null ? null : call("percent", mixed);
  }
  const isMinus = isCall(left, "negate");
  const whole = isMinus ? left.args[0] : left;
  if (
    whole?.kind !== "number" ||
    whole.isDecimal ||
    whole.value.denominator !== 1n ||
    !isCall(fraction, "divide")
  )
    return null;
  const [top, bottom] = fraction.args;
  if (top?.kind !== "number" || bottom?.kind !== "number" || top.value.numerator >= bottom.value.numerator)
    return null;
  const sum = call("add", whole, fraction);
  return isMinus ? call("negate", sum) : sum;
}

export function parseSigned(reader: TokenReader): Expression {
  return reader.nested(() => {
    if (reader.takeSign("+")) return parseSigned(reader);
    if (reader.takeSign("-")) return call("negate", parseSigned(reader));
    if (reader.is("command", "pm", "mp") || reader.is("name", "pm")) {
      reader.next();
      return call("plusMinus", parseSigned(reader));
    }
    return parsePower(reader);
  });
}

export function parsePower(reader: TokenReader): Expression {
  return reader.nested(() => parsePostfix(reader, parsePrimary(reader)));
}

export function parsePostfix(reader: TokenReader, primary: Expression): Expression {
  let base = primary;
  for (;;) {
    if (reader.takeSign("!")) base = call("factorial", base);
    else if (reader.takeSign("%")) base = call("percent", base);
    else if (reader.takeSign("'")) base = { kind: "application", name: "derivative", args: [base] };
    else if (reader.isSign("^", "**")) {
      reader.next();
      const isBraced = reader.isSign("{");
      if (reader.takeCommand("circ")) base = call("degree", base);
      else if (isBraced && reader.peek().text === "circ" && reader.peek(2).text === "}") {
        reader.takeGroup();
        base = call("degree", base);
      } else if (reader.takeCommand("prime"))
        base = { kind: "application", name: "derivative", args: [base] };
      else base = power(base, parseExponent(reader));
    } else return base;
  }
}

function parseExponent(reader: TokenReader): Expression {
  if (reader.takeSign("-")) return call("negate", parseExponent(reader));
  if (reader.takeSign("+")) return parseExponent(reader);
  const primary = parsePrimary(reader);
  return reader.isSign("^", "**") ? reader.nested(() => parsePostfix(reader, primary)) : primary;
}

function power(base: Expression, exponent: Expression): Expression {
  if (exponent.kind === "symbol" && exponent.name === "T") return call("transpose", base);
  return call("power", base, exponent);
}

function startsFactor(reader: TokenReader): boolean {
  const { token } = reader;
  if (reader.isAtEnd || reader.isAtDifferential) return false;
  switch (token.kind) {
    case "number":
      return reader.peek(-1).text === "!" || (reader.peek(-1).text === "}" && !token.spaced);
    case "name":
      return token.text !== "and" && token.text !== "or" && token.text !== "pm";
    case "command":
      return !notFactors.has(token.text);
    case "environment":
      return token.text.startsWith("begin");
    case "sign":
      return (
        ["(", "[", "{", "\\{"].includes(token.text) ||
        (token.text === "|" && reader.openBars === 0 && closesLater(reader))
      );
    default:
      return false;
  }
}

function closesLater(reader: TokenReader): boolean {
  for (let ahead = 1; ahead < 40; ahead++) if (reader.peek(ahead).text === "|") return true;
  return false;
}

/** Commands that end a product. */
const notFactors = new Set([
  "le",
  "ge",
  "ne",
  "approx",
  "in",
  "notin",
  "equiv",
  "to",
  "cup",
  "cap",
  "setminus",
  "pm",
  "mp",
  "cdot",
  "times",
  "bullet",
  "bmod",
  "mod",
  "pmod",
  "rvert",
  "rfloor",
  "rceil",
  "rangle",
  "Rightarrow",
  "rightarrow",
  "implies",
  "iff",
  "quad",
  "propto",
  "subset",
  "subseteq",
  "ll",
  "gg",
  "circ",
  "rVert",
  "Leftrightarrow",
  "therefore",
  "because",
  "doteq",
  "longrightarrow",
  "Longrightarrow",
  "mapsto",
  "perp",
  "parallel",
]);
