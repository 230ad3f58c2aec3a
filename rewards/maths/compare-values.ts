/** Compares two expressions that stand for numbers: exactly, to a precision, or at random points. */
import { equalRationals, type Rational } from "../rational.ts";
import { canonicalKey } from "./canonical-key.ts";
import { Evaluator, type Value } from "./evaluate.ts";
import { exactValue } from "./exact-value.ts";
import { type Expression, hasPart, UnreadableMaths } from "./expression.ts";
import { countedSymbols, hasUnknown } from "./unknowns.ts";

const points = 8;
const wantedPoints = 3;

export class ValueComparison {
  readonly #precision: number;
  readonly #maxSteps: number;
  #evaluator: Evaluator | undefined;

  /** `precision` is in decimal places, for numbers that were written as decimals. */
  constructor(precision: number, maxSteps: number) {
    this.#precision = precision;
    this.#maxSteps = maxSteps;
  }

  get evaluator(): Evaluator {
    this.#evaluator ??= new Evaluator(this.#maxSteps);
    return this.#evaluator;
  }

  /** Neither may hold `±`. Infinite values are equal when they have one sign. */
  equal(gold: Expression, answer: Expression): boolean {
    const exactGold = exactValue(gold);
    const exactAnswer = exactValue(answer);
    const isRounded = isDecimal(gold, exactGold) || isDecimal(answer, exactAnswer);
    if (exactGold !== null && exactAnswer !== null) {
      return (
        equalRationals(exactGold, exactAnswer) ||
        (isRounded && equalRounded(toScale(exactGold), toScale(exactAnswer), this.#precision))
      );
    }
    if (canonicalKey(gold) === canonicalKey(answer)) return true;
    if (hasUnknown(gold) || hasUnknown(answer)) return this.#equalAtPoints(gold, answer);
    const left = this.evaluator.evaluate(gold);
    const right = this.evaluator.evaluate(answer);
    if (this.#close(left, right)) return true;
    if ((isApproximate(gold) || isApproximate(answer)) && this.#closeToTenDigits(left, right)) return true;
    if (!isRounded || this.evaluator.isComplex(left) || this.evaluator.isComplex(right)) return false;
    return equalRounded(left.toFixed(60), right.toFixed(60), this.#precision);
  }

  /** `left / right` at random points, if it is the same at all of them; null otherwise. */
  constantQuotient(left: Expression, right: Expression): number | null {
    const { math } = this.evaluator;
    let quotient: Value | null = null;
    let found = 0;
    for (let point = 0; point < points && found < wantedPoints; point++) {
      const values = this.#pairAt(left, right, point);
      if (values === null || this.#isZero(values[0]) || this.#isZero(values[1])) continue;
      const value = math.divide(values[0], values[1]);
      if (!math.isBigNumber(value) || (quotient !== null && !this.#close(quotient, value))) return null;
      quotient = value;
      found++;
    }
    return found < wantedPoints || quotient === null ? null : Number(quotient);
  }

  /** -1, 0 or 1; null for what isn't real. */
  signOf(expression: Expression): number | null {
    const exact = exactValue(expression);
    if (exact !== null) return exact.numerator === 0n ? 0 : exact.numerator < 0n ? -1 : 1;
    const value = this.evaluator.evaluate(expression);
    if (this.evaluator.isComplex(value)) return null;
    return value.abs().lt(1e-40) ? 0 : value.isNegative() ? -1 : 1;
  }

  #equalAtPoints(gold: Expression, answer: Expression): boolean {
    const isRough = isApproximate(gold) || isApproximate(answer);
    this.evaluator.wholeNames = [...countedSymbols(gold), ...countedSymbols(answer)];
    let found = 0;
    let complexFound = 0;
    for (let point = 0; point < points && found < wantedPoints + 1; point++) {
      const values = this.#pairAt(gold, answer, point);
      if (values === null) continue;
      const [left, right] = values;
      const isComplex = this.evaluator.isComplex(left) || this.evaluator.isComplex(right);
      if (isComplex && !hasPart(gold, isImaginary) && !hasPart(answer, isImaginary)) {
        if (this.#close(left, right)) complexFound++;
        continue;
      }
      if (!this.#close(left, right) && !(isRough && this.#closeToTenDigits(left, right))) return false;
      found++;
    }
    return found >= 2 || (found === 0 && complexFound >= wantedPoints);
  }

  #pairAt(left: Expression, right: Expression, point: number): [Value, Value] | null {
    try {
      return [this.evaluator.evaluate(left, point), this.evaluator.evaluate(right, point)];
    } catch (error) {
      if (!(error instanceof UnreadableMaths)) throw error;
      this.evaluator.spend(0);
      return null;
    }
  }

  #closeToTenDigits(left: Value, right: Value): boolean {
    if (this.evaluator.isComplex(left) || this.evaluator.isComplex(right)) return false;
    if (!left.isFinite() || !right.isFinite()) return false;
    const scale = left.abs().gt(1) ? left.abs() : right.abs().plus("1e-3");
    return left.minus(right).abs().lte(scale.times("1e-10"));
  }

  #isZero(value: Value): boolean {
    return Number(this.evaluator.math.abs(value)) < 1e-40;
  }

  #close(left: Value, right: Value): boolean {
    const { evaluator } = this;
    if (!evaluator.isComplex(left) && !evaluator.isComplex(right)) {
      if (!left.isFinite() || !right.isFinite()) return left.eq(right);
      const scale = left.abs().gt(right.abs()) ? left.abs() : right.abs();
      return left.minus(right).abs().lte(scale.times("1e-30"));
    }
    const { math } = evaluator;
    const [one, other] = [evaluator.toComplex(left), evaluator.toComplex(right)];
    const scale = Math.max(Number(math.abs(one)), Number(math.abs(other)));
    return Number(math.abs(math.subtract(one, other))) <= 1e-10 * scale;
  }
}

/** What is found numerically: integrals, limits, sums without an end. */
function isApproximate(expression: Expression): boolean {
  return hasPart(expression, (part) => part.kind === "call" && ["int", "lim", "sum"].includes(part.name));
}

function isImaginary(part: Expression): boolean {
  return part.kind === "constant" && part.name === "i";
}

function isDecimal(expression: Expression, exact: Rational | null): boolean {
  return exact !== null && hasPart(expression, (part) => part.kind === "number" && part.isDecimal);
}

/** Sixty decimal places of a rational. */
function toScale({ numerator, denominator }: Rational): string {
  const isNegative = numerator < 0n;
  const scaled = ((isNegative ? -numerator : numerator) * 10n ** 60n) / denominator;
  const digits = scaled.toString().padStart(61, "0");
  return `${isNegative ? "-" : ""}${digits.slice(0, -60)}.${digits.slice(-60)}`;
}

/** Equal when rounded to as many places; numbers so small that nothing is left of them, to three digits. */
function equalRounded(left: string, right: string, precision: number): boolean {
  const [a, b] = [scaledInteger(left), scaledInteger(right)];
  const size = (value: bigint) => (value < 0n ? -value : value);
  const largest = size(a) > size(b) ? size(a) : size(b);
  const leadingZeros = Math.max(0, 60 - (largest.toString().length - 1) - 1);
  const places = leadingZeros >= Math.max(4, precision - 2) ? Math.min(58, leadingZeros + 3) : precision;
  const unit = 10n ** BigInt(Math.max(0, 60 - places));
  const round = (value: bigint) => (value < 0n ? -((-value + unit / 2n) / unit) : (value + unit / 2n) / unit);
  return round(a) === round(b);
}

function scaledInteger(decimal: string): bigint {
  const [whole = "0", fraction = ""] = decimal.replace("-", "").split(".");
  const value = BigInt(whole + fraction.padEnd(60, "0").slice(0, 60));
  return decimal.startsWith("-") ? -value : value;
}
