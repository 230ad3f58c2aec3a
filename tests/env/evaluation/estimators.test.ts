import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { passAtK, passHatK } from "../../../src/env/evaluation/estimators.ts";

/** Every way to choose k of the samples. */
function subsets(samples: readonly boolean[], k: number): boolean[][] {
  if (k === 0) return [[]];
  return samples.flatMap((sample, index) =>
    subsets(samples.slice(index + 1), k - 1).map((rest) => [sample, ...rest]),
  );
}

const counts = fc.integer({ min: 1, max: 9 }).chain((samples) =>
  fc.record({
    samples: fc.constant(samples),
    correct: fc.integer({ min: 0, max: samples }),
    k: fc.integer({ min: 1, max: samples }),
  }),
);

describe("pass@k and pass^k", () => {
  test("are the shares of all choices of k samples in which any, and all, are right", () => {
    fc.assert(
      fc.property(counts, ({ samples, correct, k }) => {
        const drawn = subsets(
          Array.from({ length: samples }, (_, index) => index < correct),
          k,
        );
        const share = (holds: (choice: boolean[]) => boolean) => drawn.filter(holds).length / drawn.length;
        expect(passAtK({ samples, correct }, k)).toBeCloseTo(
          share((choice) => choice.some(Boolean)),
          12,
        );
        expect(passHatK({ samples, correct }, k)).toBeCloseTo(
          share((choice) => choice.every(Boolean)),
          12,
        );
      }),
    );
  });

  test("are Atropos' product, 1 − Π (1 − k/i) for i from n−c+1 to n", () => {
    fc.assert(
      fc.property(counts, ({ samples, correct, k }) => {
        let none = 1;
        for (let i = samples - correct + 1; i <= samples; i++) none *= 1 - k / i;
        const theirs = samples - correct < k ? 1 : 1 - none;
        expect(passAtK({ samples, correct }, k)).toBeCloseTo(theirs, 12);
      }),
    );
  });

  test("hold for counts whose binomials overflow", () => {
    expect(passAtK({ samples: 10_000, correct: 1 }, 5000)).toBeCloseTo(0.5, 12);
    expect(passHatK({ samples: 10_000, correct: 9_999 }, 5000)).toBeCloseTo(0.5, 12);
  });

  test("ask for no more samples than there are", () => {
    expect(() => passAtK({ samples: 3, correct: 1 }, 4)).toThrow(/k from 1 to 3/);
    expect(() => passHatK({ samples: 3, correct: 1 }, 0)).toThrow(/k from 1 to 3/);
  });
});
