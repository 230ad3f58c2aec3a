import { expect, test } from "vitest";
import { buildGroup } from "../../src/env/build-group.ts";
import { rolloutSequences, type TokenRollout } from "../../src/env/rollout-sequences.ts";
import { versionsOf } from "../../src/trainer/weight-versions.ts";

/** Two turns that different weights sampled, as `serve` sends them. */
const rollout = {
  rolloutId: "g0.0",
  result: { stop: "finished", messages: [] },
  reward: 1,
  tokens: {
    sampling: {},
    segments: [
      {
        tokens: [5, 6, 7, 8],
        sampled: [false, true, false, true],
        logprobs: [1, -1, 1, -1],
        versions: [-1, 3, -1, 4],
        finishReason: "stop",
        messages: [],
      },
    ],
  },
} as unknown as TokenRollout;

test("a rollout that lived through a change of weights keeps the version of each token on its way to the trainer", () => {
  const settings = { segments: "all", mask_truncated: "none", advantage: "none" } as const;
  const { sequences } = rolloutSequences([rollout], {
    ...settings,
    include_messages: false,
    maxSequences: 8,
  });
  const group = buildGroup(sequences, { groupOverrides: { weight_version: 3 } });
  const versionAt = versionsOf(JSON.parse(JSON.stringify(group)), 0);
  expect([0, 1, 2, 3].map((position) => versionAt?.(position))).toEqual([null, 3, null, 4]);
});
