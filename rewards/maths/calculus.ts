/**
 * Derivatives, limits, definite integrals and sums without an end, as numbers: about twelve digits of each, and
 * null where two ways of taking them don't agree. Every value asked for costs steps of the evaluator.
 */
import type { BigNumber } from "mathjs";

export type RealFunction = (at: BigNumber) => BigNumber | null;
type MakeNumber = (value: string | number) => BigNumber;

const agreement = "1e-9";
/** Half the step doubles the digits of an integral. */
const roughAgreement = "1e-6";

/** By central difference, with a step so small that nothing of it is left in thirty digits. */
export function derivative(of: RealFunction, at: BigNumber, number: MakeNumber): BigNumber | null {
  const step = number("1e-18");
  const [right, left] = [of(at.plus(step)), of(at.minus(step))];
  return right === null || left === null ? null : right.minus(left).div(step.times(2));
}

/** From both sides, unless there is no value on one; `at` may be infinite. */
export function limit(of: RealFunction, at: BigNumber, number: MakeNumber): BigNumber | null {
  const place = (side: number, step: BigNumber) =>
    at.isFinite() ? at.plus(step.times(side)) : number(at.isNegative() ? -1 : 1).div(step);
  const from = (side: number): BigNumber | null => {
    const values = ["1e-12", "1e-13", "1e-14"].map((step) => of(place(side, number(step))));
    const [first, second, third] = values;
    if (!first || !second || !third) return null;
    // What is left of the step shrinks tenfold with it.
    const rough = second.times(10).minus(first).div(9);
    const fine = third.times(10).minus(second).div(9);
    return agree(rough, fine) ? fine : null;
  };
  if (!at.isFinite()) return from(1);
  const [right, left] = [from(1), from(-1)];
  if (right === null || left === null) return right ?? left;
  return agree(right, left) ? right : null;
}

/** By double exponential substitution, which endpoints without a value or at infinity don't disturb. */
export function integral(
  of: RealFunction,
  from: BigNumber,
  to: BigNumber,
  number: MakeNumber,
): BigNumber | null {
  if (from.gt(to)) return integral(of, to, from, number)?.neg() ?? null;
  const place = substitution(from, to, number);
  const sumOf = (offset: number, step: number): BigNumber | null => {
    let total = number(0);
    for (let t = -reach + offset; t <= reach; t += step) {
      const node = place(t);
      if (node === null) continue;
      const value = of(node.at);
      // Far out, what is too small (or too large: then the sums don't agree) can't be computed.
      if (value === null && node.at.abs().gt(100)) continue;
      if (value === null) return null;
      total = total.plus(value.times(node.weight));
    }
    return total;
  };
  const coarse = sumOf(0, 2 * finest);
  const between = coarse === null ? null : sumOf(finest, 2 * finest);
  if (coarse === null || between === null) return null;
  const fine = coarse.plus(between).times(finest);
  return agree(coarse.times(2 * finest), fine, roughAgreement) ? fine : null;
}

const reach = 3.75;
const finest = 1 / 16;

type Node = { at: BigNumber; weight: BigNumber };

function substitution(from: BigNumber, to: BigNumber, number: MakeNumber): (t: number) => Node | null {
  const inner = (t: number) => (Math.PI / 2) * Math.sinh(t);
  const slope = (t: number) => (Math.PI / 2) * Math.cosh(t);
  if (from.isFinite() && to.isFinite()) {
    const half = to.minus(from).div(2);
    return (t) => {
      // The distance from the nearer end, since close to it the place itself has no digits for that.
      const distance = half.times(1 / (Math.exp(Math.abs(inner(t))) * Math.cosh(inner(t))));
      const weight = half.times(slope(t) / Math.cosh(inner(t)) ** 2);
      return distance.isZero() ? null : { at: t < 0 ? from.plus(distance) : to.minus(distance), weight };
    };
  }
  if (!from.isFinite() && !to.isFinite())
    return (t) => ({
      at: number(Math.sinh(inner(t))),
      weight: number(Math.cosh(inner(t)) * slope(t)),
    });
  const [end, side] = from.isFinite() ? [from, 1] : [to, -1];
  return (t) => {
    const distance = Math.exp(inner(t));
    return { at: end.plus(side * distance), weight: number(distance * slope(t)) };
  };
}

const terms = 26;

/** Levin's u transform of the first terms: it finds the sums of 1/n² and of 1/2ⁿ alike. */
export function endlessSum(term: RealFunction, from: BigNumber, number: MakeNumber): BigNumber | null {
  const values: BigNumber[] = [];
  for (let index = 0; index < terms; index++) {
    const value = term(from.plus(index));
    if (value === null) return null;
    values.push(value);
  }
  const size = (index: number) => values[index]?.abs() ?? number(0);
  if (size(terms - 1).isZero() || !size(terms - 1).lt(size(terms / 2)) || !size(terms - 1).lt(1)) return null;
  const [rough, fine] = [levin(values.slice(0, -3), number), levin(values, number)];
  return rough !== null && fine !== null && agree(rough, fine) ? fine : null;
}

function levin(values: readonly BigNumber[], number: MakeNumber): BigNumber | null {
  const order = values.length - 1;
  let [top, bottom, partial, binomial] = [number(0), number(0), number(0), number(1)];
  for (const [index, value] of values.entries()) {
    partial = partial.plus(value);
    if (value.isZero()) return null;
    const factor = binomial
      .times(index % 2 === 0 ? 1 : -1)
      .times(number(index + 1).pow(order - 2))
      .div(value);
    top = top.plus(factor.times(partial));
    bottom = bottom.plus(factor);
    binomial = binomial.times(order - index).div(index + 1);
  }
  return bottom.isZero() ? null : top.div(bottom);
}

function agree(left: BigNumber, right: BigNumber, within = agreement): boolean {
  if (!left.isFinite() || !right.isFinite()) return false;
  const scale = left.abs().gt(1) ? left.abs() : left.abs().plus(1);
  return left.minus(right).abs().lte(scale.times(within));
}
