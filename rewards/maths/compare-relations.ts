/**
 * Equations, inequalities and chains of them. Two relations are equal when one is the other times a constant
 * (`2x+4y=3`, `y=3/4-x/2`), and inequalities also when both sides have been swapped with the sign.
 */
import { canonicalKey, rename } from "./canonical-key.ts";
import type { ValueComparison } from "./compare-values.ts";
import { call, type Expression, partsOf, type Relation, type RelationOperator } from "./expression.ts";

/** `x = 5`, `f(x) = …`, `(p, q) = (3, 2)`, `x ∈ …`: something named has a value. */
export function isAssignment(expression: Expression): expression is Relation {
  if (expression.kind !== "relation") return false;
  const [left] = expression.operands;
  const areEqualities = expression.operators.every(
    (operator) => operator === "=" || operator === "≈" || operator === "∈",
  );
  return areEqualities && left !== undefined && isNameOnly(left);
}

/** Whether every operator of a relation is an equality. */
export function isEquation(expression: Expression): expression is Relation {
  return (
    expression.kind === "relation" &&
    expression.operators.every((operator) => operator === "=" || operator === "≈")
  );
}

/** `AB/CD = 2` and `\sin\theta = 3/5` say the value of something; `x^2 = 4` is to be solved. */
const namingCalls = new Set(
  ["multiply", "divide", "add", "negate", "abs", "det"].concat(["sin", "cos", "tan", "cot", "sec", "csc"]),
);

function isNameOnly(expression: Expression): boolean {
  switch (expression.kind) {
    case "symbol":
    case "application":
    case "text":
      return true;
    case "constant":
      return expression.name === "i" || expression.name === "e";
    case "call":
      return namingCalls.has(expression.name) && partsOf(expression).every(isNameOnly);
    case "bracketed":
    case "ratio":
    case "list":
    case "set-operation":
      return partsOf(expression).every(isNameOnly);
    default:
      return false;
  }
}

/** The last side of a chain; what follows an `≈` behind an `=` is only an approximation of it. */
export function assignedValue(relation: Relation): Expression {
  const { operands, operators } = relation;
  let last = operators.length;
  if (operators.includes("=") || operators.includes("∈")) while (operators[last - 1] === "≈") last--;
  return operands[last] ?? relation;
}

export type EqualParts = (gold: Expression, answer: Expression) => boolean;

export function equalAssignments(gold: Relation, answer: Relation, equal: EqualParts): boolean {
  const [goldName, answerName] = [gold.operands[0] ?? gold, answer.operands[0] ?? answer];
  const goldValue = assignedValue(gold);
  let answerValue = assignedValue(answer);
  if (canonicalKey(goldName).toLowerCase() === canonicalKey(answerName).toLowerCase())
    return equal(goldValue, answerValue);
  // f(x) = x^2 and f(t) = t^2 are one function.
  if (goldName.kind !== "application" || answerName.kind !== "application") return false;
  if (
    goldName.name.toLowerCase() !== answerName.name.toLowerCase() ||
    goldName.args.length !== answerName.args.length
  )
    return false;
  for (const [index, parameter] of answerName.args.entries()) {
    const wanted = goldName.args[index];
    if (parameter.kind !== "symbol" || wanted?.kind !== "symbol") return false;
    answerValue = rename(answerValue, parameter.name, wanted.name);
  }
  return equal(goldValue, answerValue);
}

const flipped: Partial<Record<RelationOperator, RelationOperator>> = {
  "<": ">",
  ">": "<",
  "≤": "≥",
  "≥": "≤",
  "=": "=",
  "≠": "≠",
  "≈": "≈",
};

export function equalRelations(
  gold: Relation,
  answer: Relation,
  values: ValueComparison,
  equal: EqualParts,
): boolean {
  const [left, right] = [ascending(gold), ascending(answer)];
  if (left.operators.length !== right.operators.length) return false;
  const areSidesEqual = (one: Relation, other: Relation) =>
    one.operands.every((operand, index) => equal(operand, other.operands[index] ?? one));
  const isSymmetric = left.operators.every((operator) => operator === "=" || operator === "≠");
  if (left.operators.join() === right.operators.join() && areSidesEqual(left, right)) return true;
  if (left.operators.length > 1)
    return (
      isSymmetric && left.operators.join() === right.operators.join() && areSidesEqual(left, reversed(right))
    );
  return equalDifferences(left, right, values);
}

/** `x > 2` as `2 < x`, so that both directions read alike. */
function ascending(relation: Relation): Relation {
  return relation.operators.every((operator) => operator === ">" || operator === "≥")
    ? reversed(relation)
    : relation;
}

function reversed(relation: Relation): Relation {
  const operators = relation.operators.toReversed().map((operator) => flipped[operator] ?? operator);
  return { kind: "relation", operands: relation.operands.toReversed(), operators };
}

function equalDifferences(gold: Relation, answer: Relation, values: ValueComparison): boolean {
  const [operator] = gold.operators;
  const [answerOperator] = answer.operators;
  if (operator === undefined || answerOperator === undefined || !(operator in flipped)) return false;
  const quotient = values.constantQuotient(difference(gold), difference(answer));
  if (quotient === null) return false;
  return (quotient < 0 ? flipped[operator] : operator) === answerOperator;
}

function difference({ operands: [left, right] }: Relation): Expression {
  if (left === undefined || right === undefined) return { kind: "list", items: [] };
  return call("add", left, call("negate", right));
}
