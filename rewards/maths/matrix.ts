/** Works matrix arithmetic out until one matrix of expressions is left. */
import { call, type Expression, hasPart, integer, isCall } from "./expression.ts";

type Matrix = Extract<Expression, { kind: "matrix" }>;
const maxCells = 400;

export function asMatrix(expression: Expression): Matrix | null {
  if (!hasPart(expression, (part) => part.kind === "matrix")) return null;
  const result = compute(expression);
  return result?.kind === "matrix" && result.rows.flat().length <= maxCells ? result : null;
}

function compute(expression: Expression): Expression | null {
  if (expression.kind === "matrix") return expression;
  if (expression.kind !== "call" || !hasPart(expression, (part) => part.kind === "matrix")) return expression;
  const args: Expression[] = [];
  for (const part of expression.args) {
    const value = compute(part);
    if (value === null) return null;
    args.push(value);
  }
  const [left, right] = args;
  if (left === undefined) return null;
  if (isCall(expression, "negate")) return scale(left, integer(-1));
  if (isCall(expression, "transpose") && left.kind === "matrix") return transpose(left);
  if (right === undefined) return null;
  if (isCall(expression, "add")) return add(left, right);
  if (isCall(expression, "divide")) return scale(left, call("divide", integer(1), right));
  if (!isCall(expression, "multiply")) return null;
  if (left.kind !== "matrix") return scale(right, left);
  return right.kind === "matrix" ? multiply(left, right) : scale(left, right);
}

function scale(matrix: Expression, factor: Expression): Matrix | null {
  if (matrix.kind !== "matrix" || factor.kind === "matrix") return null;
  return {
    kind: "matrix",
    rows: matrix.rows.map((row) => row.map((cell) => call("multiply", factor, cell))),
  };
}

function transpose(matrix: Matrix): Matrix {
  const [first = []] = matrix.rows;
  return {
    kind: "matrix",
    rows: first.map((_, column) => matrix.rows.map((row) => row[column] ?? integer(0))),
  };
}

function add(left: Expression, right: Expression): Matrix | null {
  if (left.kind !== "matrix" || right.kind !== "matrix" || !sameShape(left, right)) return null;
  return {
    kind: "matrix",
    rows: left.rows.map((row, i) =>
      row.map((cell, j) => call("add", cell, right.rows[i]?.[j] ?? integer(0))),
    ),
  };
}

function multiply(left: Matrix, right: Matrix): Matrix | null {
  const columns = transpose(right).rows;
  if (
    left.rows.some((row) => row.length !== right.rows.length) ||
    left.rows.length * columns.length > maxCells
  )
    return null;
  const dot = (row: readonly Expression[], column: readonly Expression[]) =>
    row
      .map((cell, index) => call("multiply", cell, column[index] ?? integer(0)))
      .reduce((sum, product) => call("add", sum, product));
  return { kind: "matrix", rows: left.rows.map((row) => columns.map((column) => dot(row, column))) };
}

export function sameShape(left: Matrix, right: Matrix): boolean {
  return (
    left.rows.length === right.rows.length &&
    left.rows.every((row, index) => row.length === right.rows[index]?.length)
  );
}
