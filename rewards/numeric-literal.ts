/**
 * Finds the numbers written in plain text (see plain-maths.ts for LaTeX): thousands separators, decimals,
 * fractions, mixed numbers, scientific notation, signs, currency.
 *
 * Not numbers: digits that belong to a word (`H2O`, `x_2`), exponents (`m^2`), bases of powers that aren't
 * evaluated here (`2^3`), the divisor of something that isn't a number (`x/2`), multiples of roots and pi.
 * A percent sign and a unit are passed over: `50%` is 50.
 */
import { addRationals, divideRationals, negateRational, parseDecimal, type Rational } from "./rational.ts";

export type NumericLiteral = {
  /** Null when it is too long to be anyone's answer, or a division by zero. */
  value: () => Rational | null;
  start: number;
  end: number;
};

const decimal = String.raw`(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?!\d)|\d{1,3}(?:'\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\dA-Za-z])\.\d+)`;
const exponent = String.raw`(?:[eE]([+-]?\d+)(?![\dA-Za-z])| ?[*x×·] ?10\^\(?([+-]?\d+)\)?)?`;
const mixed = String.raw`(?: {1,2}(\d+)/(\d+)(?!\d|/|\.\d))`;
const division = String.raw`(?: ?/ ?(${decimal})(?!\d| ?/ ?\d))`;

/** Groups: power of ten; decimal, its two exponents; the mixed number's fraction; the divisor. */
const literal = new RegExp(
  String.raw`(?<![\d.])10\^\(?(-?\d+)\)?|(${decimal})${exponent}(?:${mixed}|${division})?`,
  "g",
);

/** A number right behind one of these words is still a number. */
const currencyWords = new Set(["usd", "us", "eur", "gbp", "rs", "inr", "rm", "cad", "aud", "php", "hk"]);

/** All numbers of the text in order. Time is linear in the text; values are computed when asked for. */
export function* findNumbers(text: string): Generator<NumericLiteral> {
  for (const match of text.matchAll(literal)) {
    const start = match.index;
    const end = start + match[0].length;
    if (isPartOfSomethingElse(text, start, end)) continue;
    yield { start, end, value: () => evaluate(match, isNegative(text, start)) };
  }
}

function evaluate(match: RegExpExecArray, negative: boolean): Rational | null {
  const [, power, digits = "", exponentDigits, timesTen, mixedTop, mixedBottom, divisor] = match;
  let value =
    power === undefined
      ? parseDecimal(plainDigits(digits), Number(exponentDigits ?? timesTen ?? 0))
      : parseDecimal("1", Number(power));
  if (value !== null && mixedTop !== undefined && mixedBottom !== undefined) {
    const fraction = quotient(parseDecimal(mixedTop), parseDecimal(mixedBottom));
    value = fraction && addRationals(value, fraction);
  }
  if (value !== null && divisor !== undefined) value = quotient(value, parseDecimal(plainDigits(divisor)));
  return value !== null && negative ? negateRational(value) : value;
}

function quotient(left: Rational | null, right: Rational | null): Rational | null {
  return left && right && divideRationals(left, right);
}

function plainDigits(digits: string): string {
  return digits.replace(/[^\d.]/g, "");
}

function isPartOfSomethingElse(text: string, start: number, end: number): boolean {
  const after = text.slice(end, end + 6);
  if (/^(?:\^| ?\*? ?(?:sqrt|pi(?![A-Za-z])|π|√))/.test(after)) return true;
  const before = text.slice(Math.max(0, start - 6), start);
  if (/(?:\^[({]?[-+]?|√\(?|[A-Za-z]_|\/ ?)$/.test(before)) return true;
  const word = /[A-Za-z]+$/.exec(before)?.[0];
  if (word === undefined || currencyWords.has(word.toLowerCase())) return false;
  return !/\d ?[xX]$/.test(before);
}

/**
 * A minus is a sign when nothing that could be subtracted from stands before it. One that is set off by a
 * space is a dash or a list bullet, unless it opens the text or follows `=`, `:` or an open bracket.
 */
function isNegative(text: string, start: number): boolean {
  const sign = /(?:-( ?)(?:[$€£¥₹] ?)?|[$€£¥₹] ?-)$/.exec(text.slice(Math.max(0, start - 4), start));
  if (sign === null) return false;
  const isSetOff = sign[1] === " ";
  const before = text.slice(Math.max(0, start - 16), start - sign[0].length);
  return isSetOff ? /(?:^|[=:([{])\s*$/.test(before) : !/[A-Za-z0-9)\]%]$/.test(before);
}
