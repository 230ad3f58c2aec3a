import { expect, test } from "vitest";
import { evaluationRows } from "../../src/cli/evaluation-rows.ts";
import type { JsonObject } from "../../src/contracts/chat.ts";
import { summarise } from "../../src/env/evaluation/summarise.ts";

const sample = (item: number, number: number, more: JsonObject): JsonObject => ({
  index: item,
  item_id: String(item),
  sample: number,
  outcome: "scored",
  turns: 1,
  ...more,
});
const right = { score: 1, correct: true };
const wrong = { score: 0, correct: false };
const failed = { outcome: "infra-failed", score: null, correct: null };

test("the numbers say of how many items they are, and what has no score stands in lines of its own", () => {
  const samples = [
    sample(0, 0, { ...right, category: "long name" }),
    sample(0, 1, { ...wrong, score: 0.5, category: "long name" }),
    sample(1, 0, { ...wrong, category: "b" }),
    sample(1, 1, { ...failed, category: "b" }),
    sample(2, 0, failed),
  ];
  const rows = evaluationRows(summarise(samples, { items: 3, samplesPerItem: 2, passK: [1, 2] }));
  expect(rows.map(([label, text]) => [label, text.replace(/\(95 %: [^)]*\)/, "(…)")])).toEqual([
    ["accuracy", "0.2500  (…)  = pass@1 = pass^1  of 2 of 3 items"],
    ["reward", "0.3750  (…)  of 2 of 3 items"],
    ["pass@2", "1.0000  (…)  of 1 of 3 items"],
    ["pass^2", "0.0000  (…)  of 1 of 3 items"],
    ["samples", "3 scored of 3 items × 2"],
    ["", "2 failed for no fault of the model, in no mean"],
    ["", "1 not played"],
    ["", "1 item has no score"],
    ["category", "b          0.0000  (…)  1 item, 1 sample without score"],
    ["", "long name  0.5000  (…)  reward 0.7500  1 item"],
    ["turns", "1 a sample"],
    ["tokens", "0 in, 0 out"],
  ]);
});
