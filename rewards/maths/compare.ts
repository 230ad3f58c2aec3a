/**
 * Judges whether two answers mean the same. The gold answer is respected: what it leaves open (units, the
 * name of a variable, a percent sign) the answer may say, and not the other way round.
 */
import { canonicalKey } from "./canonical-key.ts";
import { equalAssignments, equalRelations, isAssignment, isEquation } from "./compare-relations.ts";
import { equalRealSets, isCondition, isJoinedConditions, isRealSet } from "./compare-sets.ts";
import { ValueComparison } from "./compare-values.ts";
import { equalWords, spelling } from "./compare-words.ts";
import { exactValue } from "./exact-value.ts";
import {
  type Bracketed,
  call,
  type Expression,
  hasPart,
  integer,
  isCall,
  mapParts,
  type Relation,
  symbol,
} from "./expression.ts";
import { computeMatrices, isMatrixArithmetic, sameShape } from "./matrix.ts";
import { symbolsOf } from "./unknowns.ts";
import { isMembership, unwrap } from "./unwrap.ts";

export type ComparisonOptions = {
  precision: number;
  strict: boolean;
  allowSetRelationComparison: boolean;
  maxSteps: number;
};

const maxItems = 200;

export class Comparison {
  readonly #options: ComparisonOptions;
  readonly #values: ValueComparison;

  constructor(options: ComparisonOptions) {
    this.#options = options;
    this.#values = new ValueComparison(options.precision, options.maxSteps);
  }

  equal(gold: Expression, answer: Expression): boolean {
    if (this.#equalForms(gold, answer)) return true;
    return !this.#options.strict && this.#equalForms(renamePositionally(gold), renamePositionally(answer));
  }

  readonly #equalForms = (gold: Expression, answer: Expression): boolean => {
    const [left, right] = unwrap(gold, answer);
    if (canonicalKey(left) === canonicalKey(right)) return true;
    if (isAssignment(left) && isAssignment(right)) return this.#equalAssigned(left, right);
    if (left.kind === "relation" && right.kind === "relation")
      return equalRelations(left, right, this.#values, this.#equalForms);
    if (describesSet(left) && isRealSet(right)) return equalRealSets(left, right, this.#values);
    if (describesSet(right) && isRealSet(left)) {
      const mayDescribe =
        this.#options.allowSetRelationComparison || !this.#options.strict || isMembership(gold);
      return mayDescribe && equalRealSets(left, right, this.#values);
    }
    if (isJoinedConditions(left) !== isJoinedConditions(right) && describesSet(left) && describesSet(right))
      return sameUnknown(left, right) && equalRealSets(left, right, this.#values);
    if (left.kind === "relation" || right.kind === "relation") return false;
    return this.#equalObjects(spreadSigns(left), spreadSigns(right));
  };

  #equalAssigned(left: Relation, right: Relation): boolean {
    if (equalAssignments(left, right, this.#equalForms)) return true;
    return (
      isEquation(left) &&
      isEquation(right) &&
      left.operands.length === 2 &&
      right.operands.length === 2 &&
      equalRelations(left, right, this.#values, this.#equalForms)
    );
  }

  #equalObjects(gold: Expression, answer: Expression): boolean {
    if (isMatrixArithmetic(gold) || isMatrixArithmetic(answer)) {
      const [left, right] = [computeMatrices(gold) ?? gold, computeMatrices(answer) ?? answer];
      if (left.kind === "matrix" || right.kind === "matrix") return this.#equalMatrices(left, right);
      return this.#equalScalars(left, right);
    }
    if (gold.kind === "ratio" || answer.kind === "ratio") return this.#equalRatios(gold, answer);
    const isUnion =
      [gold, answer].some((side) => side.kind === "set-operation") ||
      (isReals(gold) && isRealSet(answer)) ||
      (isReals(answer) && isRealSet(gold));
    if (isUnion) return this.#equalUnions(gold, answer);
    if (gold.kind === "bracketed" && answer.kind === "bracketed") return this.#equalBracketed(gold, answer);
    if (gold.kind === "bracketed" || answer.kind === "bracketed") return this.#equalTupleAndSet(gold, answer);
    if (isCollection(gold) || isCollection(answer)) return this.#equalSets(itemsOf(gold), itemsOf(answer));
    return this.#equalScalars(gold, answer);
  }

  #equalScalars(gold: Expression, answer: Expression): boolean {
    const [goldWords, answerWords] = [spelling(gold), spelling(answer)];
    if (goldWords !== null && answerWords !== null && equalWords(goldWords, answerWords)) return true;
    if (gold.kind === "text" || answer.kind === "text") return false;
    return percentReadings(gold, answer).some(([left, right]) => this.#values.equal(left, right));
  }

  #equalBracketed(gold: Bracketed, answer: Bracketed): boolean {
    const isPoint = gold.items.length !== 2;
    if (!isPoint && (gold.open !== answer.open || gold.close !== answer.close)) return false;
    return this.#equalInOrder(gold.items, answer.items);
  }

  /** `(1, 3)` against `1, 3`: a point whose items come in order. A single point of a set is that point. */
  #equalTupleAndSet(gold: Expression, answer: Expression): boolean {
    const [tuple, other] = gold.kind === "bracketed" ? [gold, answer] : [answer, gold];
    if (tuple.kind !== "bracketed" || !isCollection(other)) return false;
    const isOpen = (tuple.open === "(" && tuple.close === ")") || tuple.items.length > 2;
    const items = itemsOf(other);
    const [only] = items;
    if (only !== undefined && items.length === 1 && only.kind === "bracketed")
      return this.#equalBracketed(tuple, only);
    return (
      isOpen &&
      (gold === tuple ? this.#equalInOrder(tuple.items, items) : this.#equalInOrder(items, tuple.items))
    );
  }

  #equalInOrder(gold: readonly Expression[], answer: readonly Expression[]): boolean {
    return (
      gold.length === answer.length &&
      gold.every((item, index) => this.#equalForms(item, answer[index] ?? item))
    );
  }

  #equalSets(gold: readonly Expression[], answer: readonly Expression[]): boolean {
    if (gold.length > maxItems || answer.length > maxItems) return false;
    const [wanted, left] = [this.#distinct(gold), this.#distinct(answer)];
    if (wanted.length !== left.length) return false;
    for (const item of wanted) {
      const index = left.findIndex((other) => this.#equalForms(item, other));
      if (index < 0) return false;
      left.splice(index, 1);
    }
    return true;
  }

  #distinct(items: readonly Expression[]): Expression[] {
    const found: Expression[] = [];
    for (const item of items) if (!found.some((other) => this.#equalForms(other, item))) found.push(item);
    return found;
  }

  #equalUnions(gold: Expression, answer: Expression): boolean {
    if (isRealSet(gold) && isRealSet(answer) && !hasVariables(gold) && !hasVariables(answer))
      return equalRealSets(gold, answer, this.#values);
    return this.#equalSets(partsOfUnion(gold), partsOfUnion(answer));
  }

  #equalMatrices(gold: Expression, answer: Expression): boolean {
    if (gold.kind === "matrix" && answer.kind === "matrix") {
      return sameShape(gold, answer) && this.#equalInOrder(gold.rows.flat(), answer.rows.flat());
    }
    const [matrix, other] = gold.kind === "matrix" ? [gold, answer] : [answer, gold];
    if (matrix.kind !== "matrix" || other.kind !== "bracketed") return false;
    const isVector = matrix.rows.length === 1 || matrix.rows.every((row) => row.length === 1);
    return isVector && this.#equalInOrder(matrix.rows.flat(), other.items);
  }

  #equalRatios(gold: Expression, answer: Expression): boolean {
    const [left, right] = [ratioItems(gold), ratioItems(answer)];
    if (left.length !== right.length || left.length === 0) return false;
    const [firstLeft = integer(1), firstRight = integer(1)] = [left[0], right[0]];
    if (left.some(isZero) || right.some(isZero)) return this.#equalInOrder(left, right);
    return left.every((item, index) => {
      const other = right[index] ?? item;
      return this.#values.equal(call("multiply", item, firstRight), call("multiply", other, firstLeft));
    });
  }
}

/** `x > 2`, `|x| < 3`, `x < 1 or x > 2`. */
function describesSet(expression: Expression): boolean {
  return isCondition(expression) || isJoinedConditions(expression);
}

function sameUnknown(left: Expression, right: Expression): boolean {
  return symbolsOf(left)[0] === symbolsOf(right)[0];
}

function isReals(expression: Expression): boolean {
  return expression.kind === "symbol" && expression.name === "R";
}

function isCollection(expression: Expression): boolean {
  return expression.kind === "set" || expression.kind === "list";
}

function itemsOf(expression: Expression): readonly Expression[] {
  return expression.kind === "set" || expression.kind === "list" ? expression.items : [expression];
}

function hasVariables(expression: Expression): boolean {
  return hasPart(expression, (part) => part.kind === "symbol" && part.name !== "R");
}

function partsOfUnion(expression: Expression): readonly Expression[] {
  if (expression.kind !== "set-operation" || expression.operator !== "union") return [expression];
  return [...partsOfUnion(expression.left), ...partsOfUnion(expression.right)];
}

function ratioItems(expression: Expression): readonly Expression[] {
  if (expression.kind === "ratio") return expression.items;
  return isCall(expression, "divide") ? expression.args : [];
}

function isZero(expression: Expression): boolean {
  return exactValue(expression)?.numerator === 0n;
}

/** `28%` in the gold answer is 0.28 or 28; in the answer it may be 28 where the gold is a plain number. */
function percentReadings(gold: Expression, answer: Expression): [Expression, Expression][] {
  const readings: [Expression, Expression][] = [[gold, answer]];
  const [goldNumber, answerNumber] = [percentage(gold), percentage(answer)];
  if (goldNumber !== null && answerNumber === null) readings.push([goldNumber, answer]);
  if (answerNumber !== null && gold.kind === "number") readings.push([gold, answerNumber]);
  return readings;
}

function percentage(expression: Expression): Expression | null {
  if (expression.kind !== "call") return null;
  const [inside] = expression.args;
  if (inside === undefined || expression.name === "percent") return inside ?? null;
  const number = expression.name === "negate" ? percentage(inside) : null;
  return number === null ? null : call("negate", number);
}

/** `1 ± \sqrt{5}` is a set of two; in a set, both are its items. */
function spreadSigns(expression: Expression): Expression {
  if (!hasPart(expression, isSign)) return expression;
  if (isCollection(expression))
    return { kind: "set", items: itemsOf(expression).flatMap((item) => itemsOf(spreadSigns(item))) };
  return { kind: "set", items: [withSign(expression, 1), withSign(expression, -1)] };
}

function isSign(part: Expression): boolean {
  return isCall(part, "plusMinus");
}

function withSign(expression: Expression, sign: 1 | -1): Expression {
  const changed = mapParts(expression, (part) => withSign(part, sign));
  const [inside] = isCall(changed, "plusMinus") ? changed.args : [];
  if (inside === undefined) return changed;
  return sign > 0 ? inside : call("negate", inside);
}

/** Names variables by the order in which they appear, so that `f(x)` and `f(y)` are alike. */
function renamePositionally(expression: Expression): Expression {
  const names = new Map<string, string>();
  const rename = (part: Expression): Expression => {
    if (part.kind !== "symbol") return mapParts(part, rename);
    const name = names.get(part.name) ?? `variable ${names.size + 1}`;
    names.set(part.name, name);
    return symbol(name);
  };
  return rename(expression);
}
