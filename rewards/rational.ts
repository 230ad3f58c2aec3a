/** Exact numbers: a quotient of BigInts, so that 0.1 is a tenth and nothing is rounded. */

/** `denominator` is positive; the pair need not be reduced. */
export type Rational = { numerator: bigint; denominator: bigint };

/** Longer numbers are noise, and BigInt arithmetic on them would be a way to stall a grader. */
const maxDigits = 1_000;

export function equalRationals(left: Rational, right: Rational): boolean {
  return left.numerator * right.denominator === right.numerator * left.denominator;
}

export function addRationals(left: Rational, right: Rational): Rational {
  return {
    numerator: left.numerator * right.denominator + right.numerator * left.denominator,
    denominator: left.denominator * right.denominator,
  };
}

/** Null when `right` is zero. */
export function divideRationals(left: Rational, right: Rational): Rational | null {
  if (right.numerator === 0n) return null;
  const sign = right.numerator < 0n ? -1n : 1n;
  return {
    numerator: sign * left.numerator * right.denominator,
    denominator: sign * left.denominator * right.numerator,
  };
}

export function negateRational({ numerator, denominator }: Rational): Rational {
  return { numerator: -numerator, denominator };
}

/**
 * `digits` with an optional point ("12", "1.50", ".5"), times ten to the power of `exponent`. Null when
 * the number would have more than a thousand digits.
 */
export function parseDecimal(digits: string, exponent = 0): Rational | null {
  const [whole = "", fraction = ""] = digits.split(".");
  if (whole.length + fraction.length + Math.abs(exponent) > maxDigits) return null;
  const numerator = BigInt(whole + fraction);
  const scale = exponent - fraction.length;
  return scale >= 0
    ? { numerator: numerator * 10n ** BigInt(scale), denominator: 1n }
    : { numerator, denominator: 10n ** BigInt(-scale) };
}
