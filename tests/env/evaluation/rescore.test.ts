import { expect, test } from "vitest";
import { requireSandbox } from "../../../rewards/reward.ts";
import type { JsonObject } from "../../../src/contracts/chat.ts";
import { itemAsJson, type SavedEvaluation } from "../../../src/data/evaluation-records.ts";
import { type RescoreOptions, rescoreSamples } from "../../../src/env/evaluation/rescore.ts";

const said = (content: string) => [
  { role: "user", content: "What is 1 + 1?" },
  { role: "assistant", content },
];
const sample = (number: number, more: JsonObject): JsonObject => ({
  index: 0,
  item_id: "0",
  sample: number,
  outcome: "scored",
  score: 1,
  correct: true,
  turns: 1,
  stop: "finished",
  messages: said("2"),
  ...more,
});
const saved = (...samples: JsonObject[]): SavedEvaluation => ({
  directory: "dir",
  header: {
    format: 1,
    environment: "sums",
    model: "m",
    samples_per_item: samples.length,
    pass_k: [1],
    correct_from: 1,
    generation_parameters: {},
    selection: { limit: null, items: null, shuffle_seed: null },
    config: null,
  },
  items: [{ item_id: "0", index: 0, ...itemAsJson({ gold: "2" }) }],
  samples,
});
const options: RescoreOptions = {
  score: async ({ rollout, item }) => ({
    score: rollout.messages.at(-1)?.content === item.gold ? 0.5 : 0,
    parts: { match: 1 },
  }),
  correctFrom: 0.5,
  concurrency: 2,
  signal: new AbortController().signal,
};

test("what was said is scored anew, against the item that was kept", async () => {
  const rescored = await rescoreSamples(
    saved(sample(0, { turn_rewards: [1] }), sample(1, { messages: said("3") })),
    options,
  );
  expect(rescored).toMatchObject([
    { score: 0.5, correct: true, previous_score: 1, reward_parts: { match: 1 } },
    { score: 0, correct: false, previous_score: 1 },
  ]);
  // Of the score that was replaced.
  expect(rescored[0]).not.toHaveProperty("turn_rewards");
});

test("a rollout that only its reward had failed is scored, one that never ended isn't", async () => {
  const unscored = { outcome: "infra-failed", score: null, correct: null, error: "REWARD_FAILED: threw" };
  const { stop: _stop, ...unfinished } = sample(1, { ...unscored, stage: "sandbox", messages: null });
  const rescored = await rescoreSamples(
    saved(sample(0, { ...unscored, stage: "reward" }), unfinished),
    options,
  );
  expect(rescored).toMatchObject([
    { outcome: "scored", score: 0.5 },
    { outcome: "infra-failed", score: null },
  ]);
  expect(rescored[0]).not.toHaveProperty("error");
});

test("a reward that looks into the sandbox ends it, and says at which sample", async () => {
  const score: RescoreOptions["score"] = async (call) => {
    requireSandbox({ ...call, toolContext: null }, "files");
    return { score: 1, parts: {} };
  };
  await expect(rescoreSamples(saved(sample(0, {})), { ...options, score })).rejects.toMatchObject({
    code: "REWARD_NEEDS_SANDBOX",
    message: expect.stringContaining("Item 0, sample 0"),
  });
});
