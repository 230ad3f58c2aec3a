import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/contracts/chat.ts";
import { summarise } from "../../../src/env/evaluation/summarise.ts";

type Brief = { item: number; sample: number; score: number | null; more?: JsonObject };

const record = ({ item, sample, score, more = {} }: Brief): JsonObject => ({
  index: item,
  item_id: `item-${item}`,
  sample,
  outcome: score === null ? "infra-failed" : "scored",
  score,
  correct: score === null ? null : score >= 1,
  prompt_tokens: 1000,
  completion_tokens: 100,
  ...more,
});
const scores = (...rows: (number | null)[][]): JsonObject[] =>
  rows.flatMap((row, item) => row.map((score, sample) => record({ item, sample, score })));

const options = { items: 3, samplesPerItem: 4, passK: [1, 2, 4] };

test("every item weighs the same, whatever of it has a score", () => {
  const metrics = summarise(scores([1, 1, 1, 1], [0, null, null, null], [1, 0, 1, 0]), options);
  expect(metrics).toMatchObject({
    "eval/accuracy": 0.5,
    "eval/mean_reward": 0.5,
    "eval/scored": 9,
    "eval/infra_failed": 3,
    "eval/not_played": 0,
    "eval/items_without_score": 0,
  });
  expect(metrics["eval/accuracy_stderr"]).toBeCloseTo(Math.sqrt(0.5 / 6), 12);
});

test("failures are in no mean: they neither raise nor lower one", () => {
  const without = summarise(scores([1, 0], [1, 1]), { items: 2, samplesPerItem: 2, passK: [1] });
  const withFailures = summarise(scores([1, 0, null], [1, 1, null]), {
    items: 2,
    samplesPerItem: 3,
    passK: [1],
  });
  for (const name of ["eval/accuracy", "eval/mean_reward", "eval/pass@1", "eval/accuracy_low"]) {
    expect(withFailures[name], name).toBe(without[name]);
  }
});

test("pass@k is of the items with k scores, and says how many they are", () => {
  const metrics = summarise(scores([1, 0, 0, 0], [1, 1, null, null], [null, null, null, null]), options);
  expect(metrics).toMatchObject({
    "eval/pass@1_items": 2,
    "eval/pass@2": 0.75,
    "eval/pass^2": 0.5,
    "eval/pass@2_items": 2,
    "eval/pass@4": 1,
    "eval/pass^4": 0,
    "eval/pass@4_items": 1,
    "eval/items_without_score": 1,
  });
});

test("categories have their own numbers", () => {
  const samples = [
    record({ item: 0, sample: 0, score: 1, more: { category: "algebra" } }),
    record({ item: 1, sample: 0, score: 0, more: { category: "algebra" } }),
    record({ item: 2, sample: 0, score: null, more: { category: "sets" } }),
  ];
  const metrics = summarise(samples, { items: 3, samplesPerItem: 1, passK: [1] });
  expect(metrics).toMatchObject({
    "eval/category/algebra/accuracy": 0.5,
    "eval/category/algebra/items": 2,
    "eval/category/sets/items": 0,
    "eval/category/sets/without_score": 1,
  });
  expect(metrics).not.toHaveProperty(["eval/category/sets/accuracy"]);
  expect(metrics).not.toHaveProperty(["eval/pass@1"]);
});

describe("tokens and times", () => {
  test("the cost is of everything that was played, failures included", () => {
    const metrics = summarise(scores([1, null]), {
      items: 1,
      samplesPerItem: 2,
      passK: [1],
      price: { in: 2, out: 10 },
    });
    expect(metrics).toMatchObject({ "eval/prompt_tokens": 2000, "eval/completion_tokens": 200 });
    expect(metrics["eval/cost"]).toBeCloseTo(0.006, 12);
  });

  test("times are means over the samples that have them", () => {
    const timing = { duration_ms: 4000, model_ms: 3000, tool_ms: 500, sandbox_ms: 400, reward_ms: 100 };
    const samples = [
      record({ item: 0, sample: 0, score: 1, more: { timing } }),
      record({ item: 1, sample: 0, score: 1 }),
    ];
    expect(summarise(samples, { items: 2, samplesPerItem: 1, passK: [1] })).toMatchObject({
      "eval/duration_seconds": 4,
      "eval/model_seconds": 3,
      "eval/sandbox_seconds": 0.4,
    });
  });
});

test("an evaluation of nothing has counts and no means", () => {
  const metrics = summarise([], options);
  expect(metrics).toMatchObject({ "eval/scored": 0, "eval/not_played": 12 });
  expect(Object.keys(metrics)).not.toContain("eval/accuracy");
});
