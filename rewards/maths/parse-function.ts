/** Functions with their powers, indices and arguments, and the operators that bind a variable. */
import { call, type Expression, integer, isCall, mapParts, symbol } from "./expression.ts";
import { parseBracketed } from "./parse-group.ts";
import type { TokenReader } from "./token-reader.ts";

const trigonometric = new Set(["sin", "cos", "tan", "cot", "sec", "csc"]);
const functions = new Set([
  ...trigonometric,
  "asin",
  "acos",
  "atan",
  "acot",
  "asec",
  "acsc",
  "arcsin",
  "arccos",
  "arctan",
  "arccot",
  "arcsec",
  "arccsc",
  "sinh",
  "cosh",
  "tanh",
  "coth",
  "sech",
  "csch",
  "asinh",
  "acosh",
  "atanh",
  "arcsinh",
  "arccosh",
  "arctanh",
  "arsinh",
  "arcosh",
  "artanh",
  "log",
  "ln",
  "lg",
  "exp",
  "sqrt",
  "cbrt",
  "abs",
  "floor",
  "ceil",
  "min",
  "max",
  "gcd",
  "lcm",
  "det",
]);
const otherNames: Record<string, string> = {
  arcsin: "asin",
  arccos: "acos",
  arctan: "atan",
  arccot: "acot",
  arcsec: "asec",
  arccsc: "acsc",
  arcsinh: "asinh",
  arccosh: "acosh",
  arctanh: "atanh",
  arsinh: "asinh",
  arcosh: "acosh",
  artanh: "atanh",
  lg: "log10",
};

export function isFunction(name: string): boolean {
  return functions.has(name);
}

export function applyFunction(reader: TokenReader, written: string): Expression {
  return reader.nested(() => {
    if (written === "sqrt") return parseRoot(reader);
    if (written === "cbrt") return call("root", parseFunctionArgument(reader), integer(3));
    const base = reader.takeSign("_") ? reader.grammar.argument(reader) : null;
    const exponent = reader.takeSign("^") ? reader.grammar.argument(reader) : null;
    const name = otherNames[written] ?? written;
    const argument = parseFunctionArgument(reader);
    const args = argument.kind === "bracketed" || argument.kind === "list" ? argument.items : [argument];
    const isInverse = exponent?.kind === "call" && exponent.name === "negate" && trigonometric.has(name);
    const applied = applyNamed(isInverse ? `a${name}` : name, args, base);
    return exponent === null || isInverse ? applied : call("power", applied, exponent);
  });
}

function applyNamed(name: string, args: readonly Expression[], base: Expression | null): Expression {
  const [argument = integer(0)] = args;
  if (name === "log" || name === "ln")
    return base === null ? call("ln", argument) : call("divide", call("ln", argument), call("ln", base));
  if (name === "log10") return call("divide", call("ln", argument), call("ln", integer(10)));
  if (name === "exp") return call("power", { kind: "constant", name: "e" }, argument);
  if (trigonometric.has(name)) return call(name, inRadians(argument));
  return { kind: "call", name, args };
}

/** Degrees count only where an angle is meant; elsewhere `90^\circ` is 90. */
function inRadians(expression: Expression): Expression {
  if (expression.kind === "call" && expression.name === "degree") {
    const [angle = integer(0)] = expression.args;
    return call("divide", call("multiply", angle, { kind: "constant", name: "pi" }), integer(180));
  }
  return mapParts(expression, inRadians);
}

function parseRoot(reader: TokenReader): Expression {
  const index = reader.takeSign("[") ? reader.grammar.sum(reader) : null;
  if (index !== null) reader.expectSign("]");
  const radicand = reader.isSign("(")
    ? parseBracketed(reader)
    : reader.is("number")
      ? parsePowerOfDigits(reader)
      : reader.grammar.argument(reader);
  return index === null ? call("sqrt", radicand) : call("root", radicand, index);
}

function parsePowerOfDigits(reader: TokenReader): Expression {
  const { text } = reader.token;
  return /^\d+$/.test(text) ? parseWholeNumber(reader) : reader.grammar.argument(reader);
}

function parseWholeNumber(reader: TokenReader): Expression {
  return integer(BigInt(reader.next().text.slice(0, 400)));
}

/** In brackets, in braces, or the product up to the next sign or function: `2 \sin b \cos a`. */
function parseFunctionArgument(reader: TokenReader): Expression {
  if (reader.isSign("(", "{", "[")) return parseBracketedArgument(reader);
  if (reader.takeSign("-")) return call("negate", parseFunctionArgument(reader));
  let argument = reader.grammar.power(reader);
  while (continuesArgument(reader)) {
    if (reader.takeSign("/")) argument = call("divide", argument, reader.grammar.power(reader));
    else argument = call("multiply", argument, reader.grammar.power(reader));
  }
  return argument;
}

function parseBracketedArgument(reader: TokenReader): Expression {
  return reader.isSign("{") ? reader.grammar.argument(reader) : parseBracketed(reader);
}

function continuesArgument(reader: TokenReader): boolean {
  if (reader.isAtDifferential) return false;
  if (reader.is("name"))
    return !isFunction(reader.token.text) && !["and", "or", "pm"].includes(reader.token.text);
  if (reader.isSign("/")) return reader.peek().kind === "number";
  return reader.is(
    "command",
    "pi",
    "theta",
    "alpha",
    "beta",
    "gamma",
    "phi",
    "omega",
    "frac",
    "sqrt",
    "lambda",
    "delta",
  );
}

/** `\sum_{k=1}^{n} …`, `\int_0^1 … dx`, `\lim_{x \to 0} …`: bound, from, to, body. */
export function parseBigOperator(reader: TokenReader, name: string): Expression {
  return reader.nested(() => {
    let lower: Expression = symbol("?");
    let upper: Expression = symbol("?");
    for (;;) {
      if (reader.takeSign("_")) lower = parseLimit(reader);
      else if (reader.takeSign("^")) upper = reader.grammar.argument(reader);
      else break;
    }
    if (name === "int") return parseIntegrand(reader, lower, upper);
    const body = name === "lim" ? reader.grammar.sum(reader) : parsePowerProduct(reader);
    const [variable, at] = lower.kind === "relation" && lower.operators[0] === "→" ? lower.operands : [];
    if (name === "lim" && variable?.kind === "symbol" && at !== undefined)
      return call("lim", variable, at, body);
    if (lower.kind === "relation" && lower.operands.length === 2 && lower.operators[0] === "=") {
      const [variable = lower, from = lower] = lower.operands;
      if (variable.kind !== "constant") return call(name, variable, from, upper, body);
      // Who counts with i or e means no constant.
      const counter = symbol(variable.name);
      const counted = (part: Expression): Expression =>
        part.kind === "constant" && part.name === variable.name ? counter : mapParts(part, counted);
      return call(name, counter, from, upper, counted(body));
    }
    return { kind: "application", name, args: [lower, upper, body] };
  });
}

/** Without borders, or without a `dx`, an integral is no more than its spelling. */
function parseIntegrand(reader: TokenReader, lower: Expression, upper: Expression): Expression {
  reader.openIntegrals++;
  const body = reader.isAtDifferential ? integer(1) : reader.grammar.sum(reader);
  const isWritten = reader.isAtDifferential;
  reader.openIntegrals--;
  if (isWritten) reader.next();
  const [variable, integrand] = isWritten
    ? [reader.grammar.argument(reader), body]
    : withoutDifferential(body);
  const isDefinite = ![lower, upper].some((border) => border.kind === "symbol" && border.name === "?");
  return isDefinite && variable?.kind === "symbol"
    ? call("int", variable, lower, upper, integrand)
    : { kind: "application", name: "int", args: [lower, upper, integrand, variable ?? symbol("?")] };
}

/** `\frac{dx}{x}` as 1/x and its variable. */
function withoutDifferential(body: Expression): [variable: Expression | undefined, integrand: Expression] {
  const [top, bottom] = isCall(body, "divide") ? body.args : [];
  const [left, variable] = top !== undefined && isCall(top, "multiply") ? top.args : [];
  if (left === undefined || bottom === undefined) return [undefined, body];
  if (isD(left)) return [variable, call("divide", integer(1), bottom)];
  const [factor, d] = isCall(left, "multiply") ? left.args : [];
  return factor !== undefined && d !== undefined && isD(d)
    ? [variable, call("divide", factor, bottom)]
    : [undefined, body];
}

function isD(expression: Expression): boolean {
  return expression.kind === "symbol" && expression.name === "d";
}

/** `\frac{d}{dx} x^3`; null where the fraction is no such operator, or nothing follows it. */
export function parseDerivative(reader: TokenReader, top: Expression, bottom: Expression): Expression | null {
  const [d, variable] = isCall(bottom, "multiply") ? bottom.args : [];
  if (!isD(top) || d === undefined || !isD(d) || variable?.kind !== "symbol" || reader.isAtEnd) return null;
  if (reader.is("sign") && !reader.isSign("(", "[", "{", "|")) return null;
  return call("derive", variable, parsePowerProduct(reader));
}

function parseLimit(reader: TokenReader): Expression {
  if (!reader.takeSign("{")) return reader.grammar.argument(reader);
  const limit = reader.grammar.relation(reader);
  reader.expectSign("}");
  return limit;
}

function parsePowerProduct(reader: TokenReader): Expression {
  let body = reader.grammar.power(reader);
  while (
    !reader.isAtEnd &&
    (reader.is("name") ||
      reader.is("number") ||
      reader.isSign("(", "{", "/", "*") ||
      reader.is("command", "frac", "binom", "cdot"))
  ) {
    if (reader.is("name", "and", "or")) break;
    if (reader.takeSign("/")) body = call("divide", body, reader.grammar.power(reader));
    else {
      if (!reader.takeSign("*")) reader.takeCommand("cdot");
      body = call("multiply", body, reader.grammar.power(reader));
    }
  }
  return body;
}
