/** The exact value of an expression of whole numbers and decimals, where it has one of sane size. */
import { addRationals, divideRationals, negateRational, type Rational } from "../rational.ts";
import type { Expression } from "./expression.ts";

/** Bits of a numerator or denominator beyond which a value isn't computed exactly. */
const maxBits = 12_000;
const maxFactorial = 1_000n;

export function exactValue(expression: Expression): Rational | null {
  if (expression.kind === "number") return expression.value;
  if (expression.kind !== "call") return null;
  const values: Rational[] = [];
  for (const part of expression.args) {
    const value = exactValue(part);
    if (value === null) return null;
    values.push(value);
  }
  const [left, right] = values;
  if (left === undefined) return null;
  const result = right === undefined ? unary(expression.name, left) : binary(expression.name, left, right);
  return result === null ? null : reduce(result);
}

function unary(name: string, value: Rational): Rational | null {
  switch (name) {
    case "negate":
      return negateRational(value);
    case "percent":
      return { numerator: value.numerator, denominator: value.denominator * 100n };
    case "abs":
      return value.numerator < 0n ? negateRational(value) : value;
    case "degree":
      return value;
    case "factorial":
      return isWhole(value) && value.numerator <= maxFactorial ? whole(factorial(value.numerator)) : null;
    case "floor":
      return whole(floorDivide(value));
    case "ceil":
      return whole(-floorDivide(negateRational(value)));
    default:
      return null;
  }
}

function binary(name: string, left: Rational, right: Rational): Rational | null {
  switch (name) {
    case "add":
      return addRationals(left, right);
    case "multiply":
      return {
        numerator: left.numerator * right.numerator,
        denominator: left.denominator * right.denominator,
      };
    case "divide":
      return divideRationals(left, right);
    case "power":
      return power(left, right);
    case "mod":
      return isWhole(left) && isWhole(right) && right.numerator !== 0n
        ? whole(left.numerator % right.numerator)
        : null;
    case "binomial":
      return isWhole(left) && isWhole(right) ? binomial(left.numerator, right.numerator) : null;
    default:
      return null;
  }
}

function power(base: Rational, exponent: Rational): Rational | null {
  const { numerator: times, denominator } = exponent;
  if (denominator !== 1n) return null;
  const size = times < 0n ? -times : times;
  if (size * BigInt(bits(base)) > maxBits) return isOne(base) ? base : null;
  if (times >= 0n) return { numerator: base.numerator ** times, denominator: base.denominator ** times };
  return divideRationals(whole(1n), {
    numerator: base.numerator ** size,
    denominator: base.denominator ** size,
  });
}

function isOne(value: Rational): boolean {
  return value.numerator === 1n && value.denominator === 1n;
}

function binomial(from: bigint, chosen: bigint): Rational | null {
  if (from > maxFactorial || chosen > from) return null;
  return whole(factorial(from) / (factorial(chosen) * factorial(from - chosen)));
}

function factorial(of: bigint): bigint {
  let product = 1n;
  for (let factor = 2n; factor <= of; factor++) product *= factor;
  return product;
}

function isWhole(value: Rational): boolean {
  return value.denominator === 1n && value.numerator >= 0n;
}

function whole(numerator: bigint): Rational {
  return { numerator, denominator: 1n };
}

function floorDivide({ numerator, denominator }: Rational): bigint {
  const quotient = numerator / denominator;
  return numerator % denominator < 0n ? quotient - 1n : quotient;
}

function bits({ numerator, denominator }: Rational): number {
  return (
    (numerator < 0n ? -numerator : numerator).toString(16).length * 4 +
    denominator.toString(16).length * 4 -
    7
  );
}

function reduce(value: Rational): Rational | null {
  if (bits(value) > 2 * maxBits) return null;
  let [high, low] = [value.numerator < 0n ? -value.numerator : value.numerator, value.denominator];
  while (low !== 0n) [high, low] = [low, high % low];
  return high <= 1n ? value : { numerator: value.numerator / high, denominator: value.denominator / high };
}
