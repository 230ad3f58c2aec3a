import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  meanInterval,
  shareInterval,
  studentQuantile,
  wilson,
} from "../../../src/env/evaluation/intervals.ts";

test.each([
  [1, 12.706205],
  [2, 4.302653],
  [3, 3.182446],
  [5, 2.570582],
  [10, 2.228139],
  [30, 2.042272],
  [100, 1.983972],
  [1000, 1.962339],
  [100_000, 1.959988],
])("Student's t with %d degrees of freedom", (degreesOfFreedom, expected) => {
  expect(studentQuantile(degreesOfFreedom)).toBeCloseTo(expected, 5);
});

test.each([
  [8, 10, 0.4902, 0.9433],
  [0, 10, 0, 0.2775],
  [10, 10, 0.7225, 1],
  [1, 2, 0.0945, 0.9055],
])("Wilson's interval of %d of %d", (right, trials, low, high) => {
  const interval = wilson(right / trials, trials);
  expect(interval.low).toBeCloseTo(low, 4);
  expect(interval.high).toBeCloseTo(high, 4);
});

describe("the interval of a mean", () => {
  test("is the textbook's", () => {
    const interval = meanInterval([1, 2, 3, 4]);
    expect(interval).toMatchObject({ items: 4, mean: 2.5 });
    expect(interval?.stderr).toBeCloseTo(0.645497, 6);
    expect(interval?.low).toBeCloseTo(2.5 - 3.182446 * 0.645497, 5);
  });

  test("is none for one item, and nothing for none", () => {
    expect(meanInterval([0.3])).toMatchObject({ mean: 0.3, stderr: null, low: null, high: null });
    expect(meanInterval([])).toBeNull();
    expect(shareInterval([])).toBeNull();
  });
});

describe("the interval of a share", () => {
  test("is Wilson's where every item is right or wrong, and where all agree", () => {
    expect(shareInterval([1, 1, 1, 0])).toMatchObject(wilson(0.75, 4));
    expect(shareInterval([1, 1, 1])).toMatchObject({ mean: 1, high: 1, low: wilson(1, 3).low });
    expect(shareInterval([0.5, 0.5])).toMatchObject(wilson(0.5, 2));
  });

  test("lies in 0..1 around its mean, and has a width", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 30 }), (quarters) => {
        const interval = shareInterval(quarters.map((value) => value / 4));
        const { mean, low, high } = interval ?? { mean: 0, low: null, high: null };
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(mean);
        expect(high).toBeGreaterThanOrEqual(mean);
        expect((high ?? 0) - (low ?? 0)).toBeGreaterThan(0);
      }),
    );
  });
});
