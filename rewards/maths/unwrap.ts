/** What an answer says once its names are left out: `x = 5` is 5, where the other one is a mere value. */
import { assignedValue, isAssignment, isEquation } from "./compare-relations.ts";
import type { Expression, Relation } from "./expression.ts";
import { symbolsOf } from "./unknowns.ts";

/** `x = 1, 2` are the values 1 and 2, unless the other answer is written that way, too. */
function withoutSharedName(gold: Expression, answer: Expression): [Expression, Expression] {
  if (sharesName(gold) === sharesName(answer)) return [gold, answer];
  const valuesOf = (side: Expression): Expression =>
    sharesName(side) && side.kind === "list"
      ? { kind: "list", items: side.items.map((item) => (isAssignment(item) ? assignedValue(item) : item)) }
      : side;
  return [valuesOf(gold), valuesOf(answer)];
}

function sharesName(expression: Expression): boolean {
  if (expression.kind !== "list") return false;
  const [first, ...others] = expression.items;
  return first !== undefined && isAssignment(first) && others.every((item) => item.kind !== "relation");
}

/** As a value where only one of the two is an equation: `x = 5` and `5`. */
export function unwrap(writtenGold: Expression, writtenAnswer: Expression): [Expression, Expression] {
  const [namedGold, answer] = withoutSharedName(writtenGold, writtenAnswer);
  const gold = isRoundedAfterwards(namedGold) ? (namedGold.operands[0] ?? namedGold) : namedGold;
  if (isMembership(gold) !== isMembership(answer)) {
    return [
      isMembership(gold) ? assignedValue(gold) : gold,
      isMembership(answer) ? assignedValue(answer) : answer,
    ];
  }
  const isGoldAssigned = isAssignment(gold);
  if (isGoldAssigned && answer.kind !== "relation") return [assignedValue(gold), answer];
  if (isGoldAssigned && !isAssignment(answer) && isEquation(answer) && symbolsOf(answer).length === 0)
    return [assignedValue(gold), assignedValue(answer)];
  if (isEquation(gold) && answer.kind !== "relation" && symbolsOf(gold).length === 0)
    return [assignedValue(gold), answer];
  if (gold.kind === "relation") return [gold, answer];
  if (isAssignment(answer)) return [gold, assignedValue(answer)];
  return [gold, isEquation(answer) ? valueOfEquation(answer) : answer];
}

/** `x ∈ [0, 1]`. */
export function isMembership(expression: Expression): expression is Relation {
  return isAssignment(expression) && expression.operators.includes("∈");
}

/** `1/6 ≈ 0.17`: a number that stands exactly in front. */
function isRoundedAfterwards(expression: Expression): expression is Relation {
  return (
    expression.kind === "relation" &&
    expression.operators.every((operator) => operator === "≈") &&
    symbolsOf(expression).length === 0
  );
}

/** `5 = x` says what x is, `2 + 3 = 5` what comes out, and `1/6 ≈ 0.17` is exact in front. */
function valueOfEquation(equation: Relation): Expression {
  const [first, second] = equation.operands;
  if (isRoundedAfterwards(equation) && first !== undefined) return first;
  const isTurned =
    equation.operands.length === 2 &&
    second?.kind === "symbol" &&
    first !== undefined &&
    symbolsOf(first).length === 0;
  return isTurned ? first : assignedValue(equation);
}
