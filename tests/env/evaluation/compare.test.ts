import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/contracts/chat.ts";
import { itemAsJson, type SavedEvaluation } from "../../../src/data/evaluation-records.ts";
import { compareEvaluations } from "../../../src/env/evaluation/compare.ts";

/** Rows of scores; null = no score. */
function saved(
  rows: (number | null)[][],
  contents: unknown[] = rows.map((_row, index) => index),
): SavedEvaluation {
  const samples = rows.flatMap((row, index) =>
    row.map(
      (score, sample): JsonObject => ({
        index,
        item_id: String(index),
        sample,
        outcome: score === null ? "infra-failed" : "scored",
        score,
        correct: score === null ? null : score >= 1,
        completion_tokens: 10 * (index + 1),
      }),
    ),
  );
  return {
    directory: "dir",
    header: {
      format: 1,
      environment: "sums",
      model: "m",
      samples_per_item: 2,
      pass_k: [1],
      correct_from: 1,
      generation_parameters: {},
      selection: { limit: null, items: null, shuffle_seed: null },
      config: null,
    },
    items: contents.map((content, index) => ({ item_id: String(index), index, ...itemAsJson(content) })),
    samples,
  };
}
const options = { metric: "accuracy", commonItems: false };

test("differences are of pairs: what all items have in common drops out", () => {
  const a = saved([
    [0, 0],
    [1, 0],
    [1, 0],
    [1, 1],
  ]);
  const b = saved([
    [1, 0],
    [1, 1],
    [1, 0],
    [1, 1],
  ]);
  const { difference, counts, differing } = compareEvaluations(a, b, options);
  expect(difference).toMatchObject({ items: 4, mean: 0.25 });
  expect(difference.stderr).toBeCloseTo(Math.sqrt(0.25 / 12), 12);
  expect(counts).toEqual({ compared: 4, higher: 2, lower: 0, same: 2 });
  expect(differing.map(({ item_id }) => item_id)).toEqual(["0", "1"]);
});

test("swapping the two turns the difference round", () => {
  const [a, b] = [saved([[0], [1], [1]]), saved([[1], [0], [1]])];
  const there = compareEvaluations(a, b, options);
  const back = compareEvaluations(b, a, options);
  expect(back.difference.mean).toBeCloseTo(-there.difference.mean, 12);
  expect(back.counts.higher).toBe(there.counts.lower);
});

test("an item without a score in one of the two is left out of both", () => {
  const comparison = compareEvaluations(
    saved([
      [1, 1],
      [null, null],
    ]),
    saved([
      [0, 0],
      [1, 1],
    ]),
    options,
  );
  expect(comparison).toMatchObject({ a: { mean: 1 }, b: { mean: 0 }, leftOut: { withoutScore: 1 } });
});

test("other metrics", () => {
  const [a, b] = [
    saved([
      [1, 0],
      [0, 0],
    ]),
    saved([
      [1, 1],
      [1, 0],
    ]),
  ];
  const meanOf = (metric: string) => compareEvaluations(a, b, { ...options, metric }).difference.mean;
  expect(meanOf("reward")).toBe(0.5);
  expect(meanOf("pass@2")).toBe(0.5);
  expect(meanOf("pass^2")).toBe(0.5);
  expect(meanOf("completion_tokens")).toBe(0);
  expect(() => meanOf("happiness")).toThrow(expect.objectContaining({ code: "USAGE_INVALID" }));
  expect(() => meanOf("pass@3")).toThrow(/No item has the pass@3/);
});

describe("items that aren't the same", () => {
  const a = saved([[1], [0]]);
  test("are refused", () => {
    expect(() => compareEvaluations(a, saved([[1], [0], [1]]), options)).toThrow(/1 only in the second/);
    expect(() => compareEvaluations(a, saved([[1], [0]], [0, "new"]), options)).toThrow(
      /1 with the same id and another content/,
    );
    const other = { ...a, header: { ...a.header, environment: "products" } };
    expect(() => compareEvaluations(a, other, options)).toThrow(/sums and products/);
  });

  test("are left out where that is asked for", () => {
    const comparison = compareEvaluations(a, saved([[1], [1], [1]], [0, "new", 2]), {
      ...options,
      commonItems: true,
    });
    expect(comparison.counts.compared).toBe(1);
    expect(comparison.leftOut).toEqual({ onlyInA: 0, onlyInB: 1, changed: 1, withoutScore: 0 });
  });
});
