/**
 * Works matrix arithmetic out until one matrix of expressions is left, or the number that a norm is.
 *
 * Products double what stands in their cells, so cells of numbers are computed at once, and the sizes of the
 * others are counted: an answer of thirty matrices in a row would otherwise take for ever.
 */
import type { Rational } from "../rational.ts";
import { exactValue } from "./exact-value.ts";
import { call, type Expression, hasPart, integer, isCall, partsOf, UnreadableMaths } from "./expression.ts";

type Matrix = Extract<Expression, { kind: "matrix" }>;
const maxCells = 400;
/** Parts of all the cells that one answer's arithmetic makes. */
const maxParts = 60_000;
const maxPower = 100;
const maxInvertible = 4;

export function isMatrixArithmetic(expression: Expression): boolean {
  return hasPart(expression, (part) => part.kind === "matrix");
}

/** The matrix that an expression comes to, or the expression without matrices (`\|v\|`); null for neither. */
export function computeMatrices(expression: Expression): Expression | null {
  if (!isMatrixArithmetic(expression)) return expression;
  const result = new MatrixArithmetic().compute(expression);
  return result?.kind === "matrix" && result.rows.flat().length > maxCells ? null : result;
}

export function sameShape(left: Matrix, right: Matrix): boolean {
  return (
    left.rows.length === right.rows.length &&
    left.rows.every((row, index) => row.length === right.rows[index]?.length)
  );
}

class MatrixArithmetic {
  #partsLeft = maxParts;

  compute(expression: Expression): Expression | null {
    if (expression.kind === "matrix") return expression;
    if (expression.kind !== "call" || !isMatrixArithmetic(expression)) return expression;
    if (isCall(expression, "det") && expression.args[0]?.kind === "matrix") return expression;
    const args: Expression[] = [];
    for (const part of expression.args) {
      const value = this.compute(part);
      if (value === null) return null;
      args.push(value);
    }
    const [left, right] = args;
    if (left === undefined) return null;
    if (args.every((part) => !isMatrixArithmetic(part))) return { ...expression, args };
    return right === undefined
      ? this.#unary(expression.name, left)
      : this.#binary(expression.name, left, right);
  }

  #unary(name: string, inside: Expression): Expression | null {
    if (inside.kind !== "matrix") return null;
    if (name === "negate") return this.#scale(inside, integer(-1));
    if (name === "transpose") return transpose(inside);
    if (name === "abs") return this.#length(inside);
    return name === "det" ? call("det", inside) : null;
  }

  #binary(name: string, left: Expression, right: Expression): Expression | null {
    switch (name) {
      case "add":
        return this.#add(left, right);
      case "divide":
        return this.#scale(left, call("divide", integer(1), right));
      case "power":
        return left.kind === "matrix" ? this.#power(left, exactValue(right)) : null;
      case "multiply":
        if (left.kind !== "matrix") return this.#scale(right, left);
        return right.kind === "matrix" ? this.#multiply(left, right) : this.#scale(left, right);
      default:
        return null;
    }
  }

  #scale(matrix: Expression, factor: Expression): Matrix | null {
    if (matrix.kind !== "matrix" || isMatrixArithmetic(factor)) return null;
    return mapCells(matrix, (cell) => this.#cell("multiply", factor, cell));
  }

  #add(left: Expression, right: Expression): Matrix | null {
    if (left.kind !== "matrix" || right.kind !== "matrix" || !sameShape(left, right)) return null;
    return mapCells(left, (cell, row, column) =>
      this.#cell("add", cell, right.rows[row]?.[column] ?? integer(0)),
    );
  }

  #multiply(left: Matrix, right: Matrix): Matrix | null {
    const columns = transpose(right).rows;
    if (
      left.rows.some((row) => row.length !== right.rows.length) ||
      left.rows.length * columns.length > maxCells
    )
      return null;
    const dot = (row: readonly Expression[], column: readonly Expression[]) =>
      row
        .map((cell, index) => this.#cell("multiply", cell, column[index] ?? integer(0)))
        .reduce((sum, product) => this.#cell("add", sum, product));
    return { kind: "matrix", rows: left.rows.map((row) => columns.map((column) => dot(row, column))) };
  }

  /** `A^2`, `A^{-1}`: whole powers of square matrices. */
  #power(matrix: Matrix, exponent: Rational | null): Matrix | null {
    const size = matrix.rows.length;
    if (exponent?.denominator !== 1n || matrix.rows.some((row) => row.length !== size)) return null;
    const times = Number(exponent.numerator);
    if (times === 0 || Math.abs(times) > maxPower || (times < 0 && size > maxInvertible)) return null;
    const base = times < 0 ? this.#inverse(matrix) : matrix;
    let result: Matrix | null = base;
    for (let factor = 1; factor < Math.abs(times) && result !== null; factor++)
      result = this.#multiply(result, base);
    return result;
  }

  /** By cofactors. A determinant of zero shows when the cells are evaluated. */
  #inverse(matrix: Matrix): Matrix {
    const determinant = this.#determinant(matrix.rows);
    return mapCells(matrix, (_, row, column) => {
      const minor = this.#determinant(without(matrix.rows, column, row));
      const signed = (row + column) % 2 === 0 ? minor : this.#cell("multiply", integer(-1), minor);
      return this.#cell("divide", signed, determinant);
    });
  }

  #determinant(rows: Matrix["rows"]): Expression {
    const [first] = rows;
    if (first === undefined) return integer(1);
    return first
      .map((cell, column) => {
        const product = this.#cell("multiply", cell, this.#determinant(without(rows, 0, column)));
        return column % 2 === 0 ? product : this.#cell("multiply", integer(-1), product);
      })
      .reduce((sum, product) => this.#cell("add", sum, product));
  }

  #length({ rows }: Matrix): Expression | null {
    const isVector = rows.length === 1 || rows.every((row) => row.length === 1);
    if (!isVector) return null;
    const squares = rows.flat().map((cell) => this.#cell("multiply", cell, cell));
    return call(
      "sqrt",
      squares.reduce((sum, square) => this.#cell("add", sum, square)),
    );
  }

  #cell(name: string, left: Expression, right: Expression): Expression {
    const cell = call(name, left, right);
    const value = left.kind === "number" && right.kind === "number" ? exactValue(cell) : null;
    if (value !== null) {
      this.#spend(1);
      const isDecimal = [left, right].some((part) => part.kind === "number" && part.isDecimal);
      return { kind: "number", value, isDecimal };
    }
    this.#count(cell);
    return cell;
  }

  #count(expression: Expression): void {
    this.#spend(1);
    for (const part of partsOf(expression)) this.#count(part);
  }

  #spend(parts: number): void {
    this.#partsLeft -= parts;
    if (this.#partsLeft < 0) throw new UnreadableMaths("too long to multiply");
  }
}

function mapCells(
  matrix: Matrix,
  change: (cell: Expression, row: number, column: number) => Expression,
): Matrix {
  return {
    kind: "matrix",
    rows: matrix.rows.map((cells, row) => cells.map((cell, column) => change(cell, row, column))),
  };
}

function transpose(matrix: Matrix): Matrix {
  const [first = []] = matrix.rows;
  return {
    kind: "matrix",
    rows: first.map((_, column) => matrix.rows.map((row) => row[column] ?? integer(0))),
  };
}

function without(rows: Matrix["rows"], row: number, column: number): Expression[][] {
  return rows
    .filter((_, index) => index !== row)
    .map((cells) => cells.filter((_, index) => index !== column));
}
