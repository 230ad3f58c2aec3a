import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callIdOf, FateDraw, fateOfCallId } from "../../src/practice/rollout-fate.ts";

/** Share of errors over `tasks` tasks with `samples` rollouts each. */
function errorsOf(fates: FateDraw, tasks: number, samples: number): number[] {
  return Array.from({ length: tasks }, (_, task) => {
    const drawn = Array.from({ length: samples }, () => fates.draw(task));
    return drawn.filter(({ errs }) => errs).length;
  });
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe("errors", () => {
  test.each([0, 0.05, 0.3, 0.5, 0.97, 1])(
    "come at rate %f, over any run of tasks and over samples",
    (errorRate) => {
      for (const seed of [0, 1, 12345]) {
        expect(
          Math.abs(sum(errorsOf(new FateDraw({ seed, errorRate }), 500, 1)) / 500 - errorRate),
        ).toBeLessThan(0.01);
        expect(
          Math.abs(sum(errorsOf(new FateDraw({ seed, errorRate }), 100, 8)) / 800 - errorRate),
        ).toBeLessThan(0.01);
      }
    },
  );

  test("differ within a group: at 0.3 every group of four has one or two", () => {
    const counts = new Set(errorsOf(new FateDraw({ seed: 7, errorRate: 0.3 }), 300, 4));
    expect([...counts].toSorted()).toEqual([1, 2]);
  });

  test("are the same again for the same seed, others for another", () => {
    const drawn = (seed: number) => {
      const fates = new FateDraw({ seed, errorRate: 0.5 });
      return Array.from({ length: 50 }, (_, index) => fates.draw(index % 10));
    };
    expect(drawn(1)).toEqual(drawn(1));
    expect(drawn(1)).not.toEqual(drawn(2));
  });
});

test("a rollout's fate is read back from its call ids", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(10_000), fc.nat(20), fc.nat(20), (seed, task, turn, index) => {
      const fate = new FateDraw({ seed, errorRate: 0.5 }).draw(task);
      expect(fateOfCallId(callIdOf(fate, turn, index))).toEqual(fate);
    }),
  );
});

test.each(["call_1", "call_zzzzzzzz_0_0", "toolu_0123", ""])("%s is nobody's id", (id) => {
  expect(fateOfCallId(id)).toBeNull();
});
