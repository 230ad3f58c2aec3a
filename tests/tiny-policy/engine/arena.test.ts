import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assembleKernel } from "../../../scripts/assemble-kernel.ts";
import { Arena, type Matrix, slice } from "../../../src/tiny-policy/engine/arena.ts";

const source = new URL("../../../src/tiny-policy/engine/gemm-binary.ts", import.meta.url);

function filled(arena: Arena, rows: number, columns: number, values: number[]): Matrix {
  const matrix = arena.matrix(rows, columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < matrix.stride; column++) {
      const value = column < columns ? (values[(row * columns + column) % values.length] ?? 0) : 0;
      arena.floats[matrix.address / 4 + row * matrix.stride + column] = value;
    }
  }
  return matrix;
}

function read(arena: Arena, matrix: Matrix): number[][] {
  return Array.from({ length: matrix.rows }, (_, row) =>
    Array.from(
      { length: matrix.columns },
      (_, column) => arena.floats[matrix.address / 4 + row * matrix.stride + column] ?? Number.NaN,
    ),
  );
}

/** Small integers: their products and sums are exact in single precision, so results compare for equality. */
const integers = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 40 });
const size = fc.integer({ min: 1, max: 19 });

const product = (left: number[][], right: number[][]) =>
  left.map((row) =>
    (right[0] ?? []).map((_, column) =>
      row.reduce((sum, value, k) => sum + value * (right[k]?.[column] ?? Number.NaN), 0),
    ),
  );

describe("the matrix kernel", () => {
  test("is the one that gemm.wat assembles to", async () => {
    expect(await readFile(source, "utf8")).toBe(await assembleKernel());
  });

  test("multiplies matrices of any size, plain, transposed and added to what is there", () => {
    fc.assert(
      fc.property(size, size, fc.integer({ min: 1, max: 600 }), integers, integers, (m, n, k, a, b) => {
        const arena = Arena.create();
        const left = filled(arena, m, k, a);
        const leftTransposed = arena.transposed(left);
        const right = filled(arena, k, n, b);
        const target = arena.matrix(m, n);
        const expected = product(read(arena, left), read(arena, right));

        arena.multiply(left, right, target);
        expect(read(arena, target)).toEqual(expected);
        arena.multiplyTransposed(leftTransposed, right, target, { accumulate: true });
        expect(read(arena, target)).toEqual(expected.map((row) => row.map((value) => 2 * value)));
      }),
      { numRuns: 60 },
    );
  });

  test("writes only the columns of the slice it is given", () => {
    const arena = Arena.create();
    const left = filled(arena, 5, 3, [1]);
    const right = filled(arena, 3, 4, [2]);
    const target = filled(arena, 5, 12, [7]);
    arena.multiply(left, right, slice(target, { column: 4, columns: 4 }));
    expect(read(arena, target)).toEqual(
      Array.from({ length: 5 }, () => [7, 7, 7, 7, 6, 6, 6, 6, 7, 7, 7, 7]),
    );
  });

  test("a row comes out the same to the bit alone and in a batch", () => {
    const arena = Arena.create();
    const noise = Array.from({ length: 997 }, (_, index) => Math.sin(index * 12.9898) * 43.7);
    const left = filled(arena, 13, 300, noise);
    const right = filled(arena, 300, 20, noise.toReversed());
    const batch = arena.matrix(13, 20);
    arena.multiply(left, right, batch);
    const together = read(arena, batch);
    for (let row = 0; row < 13; row++) {
      const alone = arena.matrix(1, 20);
      arena.multiply(slice(left, { row, rows: 1 }), right, alone);
      expect(read(arena, alone)[0]).toEqual(together[row]);
    }
  });

  test("what was made before keep survives resets and growth of the memory", () => {
    const arena = Arena.create();
    const kept = filled(arena, 3, 5, [1, 2, 3]);
    arena.keep();
    for (let round = 0; round < 3; round++) {
      arena.matrix(2000, 1000);
      arena.reset();
    }
    expect(read(arena, kept).flat()).toEqual(Array.from({ length: 15 }, (_, index) => (index % 3) + 1));
  });
});
