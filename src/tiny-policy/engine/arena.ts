/**
 * Float32 matrices in the memory of the matrix kernel. An arena hands out space front to back and gives it all
 * back at once: a forward pass takes what it needs, the next one starts over. Matrices die with `reset`.
 */
import { gemmBinary } from "./gemm-binary.ts";

const PAGE_BYTES = 65_536;
/** Where space for matrices begins: the kernel keeps nothing of its own, 0 stays free to notice mistakes. */
const BASE_BYTES = 64;

/**
 * Terms that are summed in registers before they are added to the target: what both sides need for that many
 * stays in the processor's nearest caches. Part of how results are rounded, so the same for everybody.
 */
const DEPTH = 256;

/** `rows` × `stride` floats of which the first `columns` of each row count; `address` is in bytes. */
export type Matrix = {
  readonly address: number;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
};

/** Addresses in bytes, distances in floats: see gemm.wat. */
type Gemm = (
  a: number,
  aRow: number,
  aColumn: number,
  b: number,
  bRow: number,
  c: number,
  cRow: number,
  rows: number,
  columns: number,
  depth: number,
  accumulate: number,
) => void;

const isGemm = (value: unknown): value is Gemm => typeof value === "function";

export class Arena {
  readonly #memory: WebAssembly.Memory;
  readonly #gemm: Gemm;
  #floats: Float32Array;
  #used = BASE_BYTES;
  #kept = BASE_BYTES;

  private constructor(memory: WebAssembly.Memory, gemm: Gemm) {
    this.#memory = memory;
    this.#gemm = gemm;
    this.#floats = new Float32Array(memory.buffer);
  }

  static create(): Arena {
    const module = new WebAssembly.Module(Buffer.from(gemmBinary, "base64"));
    const { memory, gemm } = new WebAssembly.Instance(module).exports;
    if (!(memory instanceof WebAssembly.Memory) || !isGemm(gemm)) {
      throw new TypeError("Expected the matrix kernel to export memory and gemm.");
    }
    return new Arena(memory, gemm);
  }

  /**
   * The kernel's whole memory as floats; index = address / 4. Invalid after the next `matrix` that grows it, so
   * ask for it after the last one.
   */
  get floats(): Float32Array {
    return this.#floats;
  }

  /** Space for a matrix, contents undefined. Rows are padded to a multiple of 4 floats, as the kernel wants. */
  matrix(rows: number, columns: number): Matrix {
    const stride = Math.ceil(columns / 4) * 4;
    const address = this.#used;
    this.#used += rows * stride * 4;
    // The kernel reads and writes whole vectors.
    const missing = this.#used + 64 - this.#memory.buffer.byteLength;
    if (missing > 0) {
      this.#memory.grow(Math.ceil((missing + this.#used / 2) / PAGE_BYTES));
      this.#floats = new Float32Array(this.#memory.buffer);
    }
    return { address, rows, columns, stride };
  }

  /** What was made so far outlives every `reset` from now on. */
  keep(): void {
    this.#kept = this.#used;
  }

  /** Gives back everything made since `keep`. */
  reset(): void {
    this.#used = this.#kept;
  }

  /** The space in use, to give back what is made from here on with `release`. */
  mark(): number {
    return this.#used;
  }

  release(mark: number): void {
    this.#used = mark;
  }

  /** target = left × right, or target += left × right. Columns are rounded up to 4: padding must be finite. */
  multiply(left: Matrix, right: Matrix, target: Matrix, { accumulate = false } = {}): void {
    this.#multiply(left, { rows: left.rows, row: left.stride, column: 1 }, right, target, accumulate);
  }

  /** As `multiply`, with the left matrix's rows and columns swapped. */
  multiplyTransposed(left: Matrix, right: Matrix, target: Matrix, { accumulate = false } = {}): void {
    this.#multiply(left, { rows: left.columns, row: 1, column: left.stride }, right, target, accumulate);
  }

  #multiply(
    left: Matrix,
    as: { rows: number; row: number; column: number },
    right: Matrix,
    target: Matrix,
    accumulate: boolean,
  ): void {
    const columns = Math.ceil(right.columns / 4) * 4;
    const depth = right.rows;
    for (let from = 0; from < depth; from += DEPTH) {
      this.#gemm(
        left.address + from * as.column * 4,
        as.row,
        as.column,
        right.address + from * right.stride * 4,
        right.stride,
        target.address,
        target.stride,
        as.rows,
        columns,
        Math.min(DEPTH, depth - from),
        accumulate || from > 0 ? 1 : 0,
      );
    }
  }

  /** A new matrix: the other one with rows and columns swapped. Its padding is 0. */
  transposed(matrix: Matrix): Matrix {
    const target = this.matrix(matrix.columns, matrix.rows);
    const floats = this.#floats;
    const from = matrix.address / 4;
    const to = target.address / 4;
    for (let column = 0; column < matrix.columns; column++) {
      const row = to + column * target.stride;
      for (let index = 0; index < matrix.rows; index++) {
        floats[row + index] = floats[from + index * matrix.stride + column] ?? 0;
      }
      floats.fill(0, row + matrix.rows, row + target.stride);
    }
    return target;
  }
}

/** A part of a matrix, without a copy. `column` and `columns` are multiples of 4. */
export function slice(
  matrix: Matrix,
  part: { row?: number; rows?: number; column?: number; columns?: number },
): Matrix {
  const { row = 0, rows = matrix.rows - row, column = 0, columns = matrix.columns - column } = part;
  return {
    address: matrix.address + (row * matrix.stride + column) * 4,
    rows,
    columns,
    stride: matrix.stride,
  };
}
