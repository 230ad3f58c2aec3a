/**
 * The one form that LaTeX and plain text are read into. It holds what was written, not what it comes to:
 * `compare.ts` decides what is equal. Numbers are exact; `isDecimal` remembers that a number was written
 * with a point, since such a number may be a rounded one.
 */
import type { Rational } from "../rational.ts";

export type Expression =
  | { kind: "number"; value: Rational; isDecimal: boolean }
  | { kind: "symbol"; name: string }
  | { kind: "constant"; name: ConstantName }
  /** An operator or a function with a known meaning: `add`, `divide`, `sin`, `percent`, … */
  | { kind: "call"; name: string; args: readonly Expression[] }
  /** A function nobody knows: `f(x)`. */
  | { kind: "application"; name: string; args: readonly Expression[] }
  | { kind: "text"; text: string }
  /** Items with commas between them and no brackets around. */
  | { kind: "list"; items: readonly Expression[]; joint?: "and" | "or" }
  | { kind: "set"; items: readonly Expression[] }
  /** `(1, 2)`, `[0, 1)`: a point or an interval, which only the comparison can tell. */
  | { kind: "bracketed"; open: "(" | "["; close: ")" | "]"; items: readonly Expression[] }
  | { kind: "set-operation"; operator: SetOperator; left: Expression; right: Expression }
  | { kind: "matrix"; rows: readonly (readonly Expression[])[] }
  /** `a < b <= c`: one operator fewer than operands. */
  | { kind: "relation"; operands: readonly Expression[]; operators: readonly RelationOperator[] }
  | { kind: "ratio"; items: readonly Expression[] };

export type ConstantName = "pi" | "e" | "i" | "infinity";
export type SetOperator = "union" | "intersection" | "difference";
export type RelationOperator = "=" | "≠" | "<" | ">" | "≤" | "≥" | "≈" | "∈" | "∉" | "≡" | "→";

export type Relation = Extract<Expression, { kind: "relation" }>;
export type Bracketed = Extract<Expression, { kind: "bracketed" }>;

/** Thrown inside rewards/maths where an answer is too large or isn't maths; `verifyMath` catches it. */
export class UnreadableMaths extends Error {}

export function integer(value: bigint | number): Expression {
  return { kind: "number", value: { numerator: BigInt(value), denominator: 1n }, isDecimal: false };
}

export function call(name: string, ...args: Expression[]): Expression {
  return { kind: "call", name, args };
}

export function symbol(name: string): Expression {
  return { kind: "symbol", name };
}

export function isCall(
  expression: Expression,
  name: string,
): expression is Extract<Expression, { kind: "call" }> {
  return expression.kind === "call" && expression.name === name;
}

export function isInfinity(expression: Expression): boolean {
  return expression.kind === "constant" && expression.name === "infinity";
}

/** The direct parts of an expression, in order. */
export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "call":
    case "application":
      return expression.args;
    case "list":
    case "set":
    case "bracketed":
    case "ratio":
      return expression.items;
    case "set-operation":
      return [expression.left, expression.right];
    case "matrix":
      return expression.rows.flat();
    case "relation":
      return expression.operands;
    default:
      return [];
  }
}

/** The same expression with `change` applied to each direct part. */
export function mapParts(expression: Expression, change: (part: Expression) => Expression): Expression {
  switch (expression.kind) {
    case "call":
    case "application":
      return { ...expression, args: expression.args.map(change) };
    case "list":
    case "set":
    case "bracketed":
    case "ratio":
      return { ...expression, items: expression.items.map(change) };
    case "set-operation":
      return { ...expression, left: change(expression.left), right: change(expression.right) };
    case "matrix":
      return { ...expression, rows: expression.rows.map((row) => row.map(change)) };
    case "relation":
      return { ...expression, operands: expression.operands.map(change) };
    default:
      return expression;
  }
}

export function hasPart(expression: Expression, test: (part: Expression) => boolean): boolean {
  return test(expression) || partsOf(expression).some((part) => hasPart(part, test));
}
