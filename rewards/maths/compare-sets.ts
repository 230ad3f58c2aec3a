/**
 * Sets of real numbers: intervals, unions, finite sets, and the inequalities that describe them. Two are equal
 * when they agree at every border that either names, right and left of it, and in between.
 */
import { isEquation } from "./compare-relations.ts";
import type { ValueComparison } from "./compare-values.ts";
import {
  call,
  type Expression,
  hasPart,
  integer,
  isCall,
  mapParts,
  partsOf,
  type Relation,
  UnreadableMaths,
} from "./expression.ts";
import { symbolsOf } from "./unknowns.ts";

const maxBorders = 40;

/** Whether an expression can only be a set of real numbers. */
export function isRealSet(expression: Expression): boolean {
  if (expression.kind === "set-operation") return isRealSet(expression.left) && isRealSet(expression.right);
  if (expression.kind === "bracketed")
    return expression.items.length === 2 && expression.items.every(isNumberLike);
  if (expression.kind === "symbol") return expression.name === "R";
  return expression.kind === "set" && expression.items.every(isNumberLike);
}

function isNumberLike(expression: Expression): boolean {
  return ["number", "constant", "call", "symbol"].includes(expression.kind);
}

/** `1 < x < 2`, `x ≠ 3`: a relation with one unknown, which may be something like `f(x)`. */
export function isCondition(expression: Expression): expression is Relation {
  return (
    expression.kind === "relation" &&
    !expression.operators.some((operator) => ["∈", "∉", "→", "≡"].includes(operator)) &&
    new Set(symbolsOf(expression)).size === 1
  );
}

/**
 * `x < -1 or x > 1`: conditions of one unknown, of which the joining word says whether all or one must hold.
 * `n = 3 or n = 5` is a mere list of values, and so is `n = 3 and n = 5`.
 */
export function isJoinedConditions(expression: Expression): boolean {
  return (
    expression.kind === "list" &&
    expression.joint !== undefined &&
    !expression.items.every(isEquation) &&
    expression.items.every(isCondition) &&
    new Set(symbolsOf(expression)).size === 1
  );
}

export function equalRealSets(gold: Expression, answer: Expression, values: ValueComparison): boolean {
  if (hidesBorders(gold) && hidesBorders(answer)) return false;
  const tried = hidesBorders(gold) || hidesBorders(answer) ? closeProbes : probes;
  const named = hidesBorders(gold)
    ? bordersOf(answer)
    : hidesBorders(answer)
      ? bordersOf(gold)
      : [...bordersOf(gold), ...bordersOf(answer)];
  if (named.length > maxBorders) return false;
  const sorted = sortBorders(named, values);
  if (sorted === null) return false;
  return tried(sorted).every((probe) => contains(gold, probe, values) === contains(answer, probe, values));
}

/** The finite borders that a set names; a condition names those constants that stand alone on a side. */
function bordersOf(set: Expression): Expression[] {
  if (set.kind === "set-operation") return [...bordersOf(set.left), ...bordersOf(set.right)];
  if (set.kind === "relation") {
    const constants = set.operands.filter(
      (operand) => symbolsOf(operand).length === 0 && !isInfinite(operand),
    );
    return constants.flatMap((constant) => [constant, call("negate", constant)]);
  }
  if (set.kind === "list") return set.items.flatMap(bordersOf);
  return set.kind === "symbol" ? [] : partsOf(set).filter((part) => !isInfinite(part));
}

function isInfinite(expression: Expression): boolean {
  return hasPart(expression, (part) => part.kind === "constant" && part.name === "infinity");
}

function sortBorders(borders: readonly Expression[], values: ValueComparison): Expression[] | null {
  const { evaluator } = values;
  const placed: { border: Expression; at: number }[] = [];
  for (const border of borders) {
    const value = evaluator.evaluate(border);
    if (evaluator.isComplex(value)) return null;
    placed.push({ border, at: Number(value) });
  }
  return placed.sort((left, right) => left.at - right.at).map(({ border }) => border);
}

/** Every border, the middles between them, and points beyond the first and the last. */
function probes(borders: readonly Expression[]): Expression[] {
  const [first = integer(0)] = borders;
  const last = borders.at(-1) ?? integer(0);
  const found: Expression[] = [];
  for (const distance of [1, 1_000]) {
    found.push(call("add", first, integer(-distance)), call("add", last, integer(distance)));
  }
  for (const [index, border] of borders.entries()) {
    found.push(border);
    const next = borders[index + 1];
    if (next !== undefined) found.push(call("divide", call("add", border, next), integer(2)));
  }
  return found;
}

/**
 * Whether a condition begins or ends to hold where it names no number: `x^2 < 4` at 2, as opposed to `x < 2`.
 * Two sets of that kind are never compared, since both may change where nobody looks.
 */
function hidesBorders(set: Expression): boolean {
  if (set.kind === "list") return set.items.some(hidesBorders);
  return (
    set.kind === "relation" &&
    !set.operands.every(
      (operand) =>
        operand.kind === "symbol" || operand.kind === "application" || symbolsOf(operand).length === 0,
    )
  );
}

/** Where one side hides its borders: also both sides of each border that the other names, and more in between. */
function closeProbes(borders: readonly Expression[]): Expression[] {
  const near = {
    kind: "number",
    value: { numerator: 1n, denominator: 10n ** 9n },
    isDecimal: false,
  } as const;
  const found = probes(borders);
  for (const [index, border] of borders.entries()) {
    found.push(call("add", border, near), call("add", border, call("negate", near)));
    const next = borders[index + 1];
    if (next === undefined) continue;
    for (const share of [1, 3, 5, 7]) {
      const parts = [call("multiply", border, integer(8 - share)), call("multiply", next, integer(share))];
      found.push(call("divide", call("add", ...parts), integer(8)));
    }
  }
  return found;
}

function contains(set: Expression, probe: Expression, values: ValueComparison): boolean {
  switch (set.kind) {
    case "set-operation": {
      const isLeft = contains(set.left, probe, values);
      const isRight = contains(set.right, probe, values);
      return set.operator === "union"
        ? isLeft || isRight
        : isLeft && isRight === (set.operator === "intersection");
    }
    case "bracketed": {
      const [from = probe, to = probe] = set.items;
      return (
        holds(from, set.open === "[" ? "≤" : "<", probe, values) &&
        holds(probe, set.close === "]" ? "≤" : "<", to, values)
      );
    }
    case "set":
      return set.items.some((item) => holds(item, "=", probe, values));
    case "list":
      return set.joint === "and"
        ? set.items.every((item) => contains(item, probe, values))
        : set.items.some((item) => contains(item, probe, values));
    case "symbol":
      return true;
    case "relation": {
      const { operands, operators } = bind(set, probe);
      try {
        return operators.every((operator, index) =>
          holds(operands[index] ?? probe, operator, operands[index + 1] ?? probe, values),
        );
      } catch (error) {
        if (!(error instanceof UnreadableMaths)) throw error;
        // Where a side has no value, as 1/x at 0, nothing holds; where the steps are spent, this throws again.
        values.evaluator.spend(0);
        return false;
      }
    }
    default:
      return false;
  }
}

function bind(relation: Relation, probe: Expression): Relation {
  const replace = (part: Expression): Expression =>
    part.kind === "symbol" || part.kind === "application" ? probe : mapParts(part, replace);
  return { ...relation, operands: relation.operands.map(replace) };
}

function holds(left: Expression, operator: string, right: Expression, values: ValueComparison): boolean {
  if (isInfinite(left) || isInfinite(right))
    return operator !== "=" && (isInfinite(right) ? !isCall(right, "negate") : isCall(left, "negate"));
  const sign = values.signOf(call("add", left, call("negate", right)));
  if (sign === null) return false;
  if (operator === "<") return sign < 0;
  if (operator === ">") return sign > 0;
  if (operator === "≤") return sign <= 0;
  if (operator === "≥") return sign >= 0;
  return operator === "≠" ? sign !== 0 : sign === 0;
}
