import { describe, expect, test } from "vitest";
import type { AgentResult } from "../../src/agent/agent-result.ts";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import { advantagesOf } from "../../src/env/advantages.ts";
import {
  oldestVersion,
  rolloutSequences,
  type SequenceSettings,
  type TokenRollout,
} from "../../src/env/rollout-sequences.ts";
import { imEnd, type ScriptedAnswer, said, scriptedServer } from "../support/scripted-tokens.ts";

const signal = new AbortController().signal;
const settings: SequenceSettings = {
  segments: "all",
  mask_truncated: "none",
  advantage: "none",
  include_messages: false,
  maxSequences: 8,
};

/** A rollout in which each question begins a conversation of its own, hence a segment. */
async function rolloutOf(
  reward: number,
  answers: readonly ScriptedAnswer[],
  stop: AgentResult["stop"] = "finished",
): Promise<TokenRollout> {
  const { managed } = scriptedServer(answers);
  for (const index of answers.keys()) {
    const messages: ChatMessage[] = [{ role: "user", content: `Question ${index}` }];
    await managed.chatCompletion({ messages }, { signal });
  }
  const result: AgentResult = {
    messages: [],
    stop,
    turnsUsed: answers.length,
    finishedNaturally: stop === "finished",
    reasoningPerTurn: [],
    toolErrors: [],
    toolCalls: { attempted: 0, schemaValid: 0, executedOk: 0, executionErrors: 0 },
    usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    finishReasons: [],
  };
  return { result, reward, tokens: { segments: managed.segments(), sampling: null } };
}

const trained = (masks: readonly number[]) => masks.filter((mask) => mask !== -100);

describe("segments", () => {
  test("all are sent, each with its rollout's score, and every sampled id once", async () => {
    const rollouts = [await rolloutOf(1, [said("a"), said("b")]), await rolloutOf(0, [said("c")])];
    const { sequences, leftOut } = rolloutSequences(rollouts, { ...settings, include_messages: true });
    expect(leftOut).toBe(0);
    expect(sequences.map(({ score }) => score)).toEqual([1, 1, 0]);
    expect(sequences.map(({ masks }) => trained(masks))).toEqual([
      said("a").ids,
      said("b").ids,
      said("c").ids,
    ]);
    expect(sequences.map(({ messages }) => messages?.at(-1)?.content)).toEqual(["a", "b", "c"]);
    for (const { tokens, masks, inferenceLogprobs } of sequences) {
      expect(inferenceLogprobs).toHaveLength(tokens.length);
      for (const [index, value] of (inferenceLogprobs ?? []).entries()) {
        expect(value === 1).toBe(masks[index] === -100);
      }
    }
  });

  test.each([
    ["told so", { segments: "last" as const }, 0],
    ["the group would become too large", { maxSequences: 2 }, 1],
  ])("the last of each rollout is sent when %s", async (_name, changes, leftOut) => {
    const rollouts = [await rolloutOf(1, [said("a"), said("b")]), await rolloutOf(0, [said("c")])];
    const made = rolloutSequences(rollouts, { ...settings, ...changes });
    expect(made.sequences.map(({ masks }) => trained(masks))).toEqual([said("b").ids, said("c").ids]);
    expect(made.leftOut).toBe(leftOut);
  });
});

test.each([
  ["none", [said("a").ids, said("b").ids.slice(0, -1)]],
  ["turn", [said("a").ids, []]],
  ["rollout", [[], []]],
] as const)(
  "a cut rollout with mask_truncated %s is trained on as told, and keeps its score",
  async (how, kept) => {
    const cut = { ids: said("b").ids.slice(0, -1), finishReason: "length" };
    const rollout = await rolloutOf(0.5, [said("a"), cut], "max-tokens");
    const { sequences } = rolloutSequences([rollout], { ...settings, mask_truncated: how });
    expect(sequences.map(({ masks }) => trained(masks))).toEqual(kept);
    expect(sequences.map(({ score }) => score)).toEqual([0.5, 0.5]);
    for (const { masks, inferenceLogprobs } of sequences) {
      expect(inferenceLogprobs?.map((value) => value === 1)).toEqual(masks.map((mask) => mask === -100));
    }
  },
);

describe("advantages", () => {
  test.each([
    ["dr_grpo", [0.75, -0.25, -0.25, -0.25]],
    ["grpo", [1.5, -0.5, -0.5, -0.5]],
    ["rloo", [1, -1 / 3, -1 / 3, -1 / 3]],
  ] as const)("%s of scores 1, 0, 0, 0", (kind, expected) => {
    const given = advantagesOf([1, 0, 0, 0], kind) ?? [];
    for (const [index, value] of expected.entries()) expect(given[index]).toBeCloseTo(value, 4);
  });

  test.each(["grpo", "dr_grpo", "rloo"] as const)("%s of equal scores, or of one, is 0", (kind) => {
    for (const scores of [[1, 1, 1], [0.3]]) {
      for (const value of advantagesOf(scores, kind) ?? []) expect(value).toBeCloseTo(0, 9);
    }
  });

  test("are the rollout's, one a token, whatever its segments; none leaves them to the trainer", async () => {
    const rollouts = [await rolloutOf(1, [said("a"), said("b")]), await rolloutOf(0, [said("c")])];
    const { sequences } = rolloutSequences(rollouts, { ...settings, advantage: "dr_grpo" });
    const expected = sequences.map(({ tokens }, index) => tokens.map(() => (index < 2 ? 0.5 : -0.5)));
    expect(sequences.map(({ advantages }) => advantages)).toEqual(expected);
    const plain = rolloutSequences(rollouts, settings).sequences;
    expect(plain.every(({ advantages }) => advantages === undefined)).toBe(true);
  });
});

describe("weight versions", () => {
  test("one number where one version sampled all, one a token where the weights changed", async () => {
    const first = { ...said("a"), versions: said("a").ids.map(() => 7) };
    const [letter = 0] = said("b").ids;
    const second = { ids: [letter, letter, imEnd], versions: [7, 8, 8] };
    const rollout = await rolloutOf(1, [first, second]);
    const { sequences } = rolloutSequences([rollout], settings);
    expect(sequences[0]?.overrides).toEqual({ weight_version: 7 });
    const versions = sequences[1]?.overrides?.weight_version;
    const prompt = sequences[1]?.masks.filter((mask) => mask === -100).map(() => null) ?? [];
    expect(versions).toEqual([...prompt, 7, 8, 8]);
    expect(oldestVersion([rollout])).toBe(7);
  });

  test("are left out where the server doesn't tell", async () => {
    const rollout = await rolloutOf(1, [said("a")]);
    expect(rolloutSequences([rollout], settings).sequences[0]?.overrides).toBeUndefined();
    expect(oldestVersion([rollout])).toBeNull();
  });
});
