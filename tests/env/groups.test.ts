import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { buildGroup, type ScoredSequence } from "../../src/env/build-group.ts";
import { type GroupRules, judgeGroup } from "../../src/env/group-rules.ts";
import { placeholderTokens } from "../../src/env/placeholder-tokens.ts";

const sequence = (score: number, more: Partial<ScoredSequence> = {}): ScoredSequence => ({
  tokens: [1, 2, 3],
  masks: [-100, 2, 3],
  score,
  ...more,
});

describe("buildGroup", () => {
  test("has all fields of the wire, null where nothing was given", () => {
    expect(buildGroup([sequence(1), sequence(0)])).toEqual({
      tokens: [
        [1, 2, 3],
        [1, 2, 3],
      ],
      masks: [
        [-100, 2, 3],
        [-100, 2, 3],
      ],
      scores: [1, 0],
      advantages: null,
      ref_logprobs: null,
      messages: null,
      generation_params: null,
      inference_logprobs: null,
      overrides: null,
      group_overrides: null,
      images: null,
      env_id: null,
      distill_token_ids: null,
      distill_logprobs: null,
    });
  });

  test("keeps log-probabilities, distillation targets and parameters", () => {
    const full = sequence(1, {
      inferenceLogprobs: [1, -0.5, -0.25],
      distillTokenIds: [[7], [8], [9]],
      distillLogprobs: [[-1], [-2], [-3]],
    });
    const group = buildGroup([full, full], { generationParams: { temperature: 1 } });
    expect(group.inference_logprobs).toEqual([
      [1, -0.5, -0.25],
      [1, -0.5, -0.25],
    ]);
    expect(group.distill_token_ids).toEqual([
      [[7], [8], [9]],
      [[7], [8], [9]],
    ]);
    expect(group.distill_logprobs).toEqual([
      [[-1], [-2], [-3]],
      [[-1], [-2], [-3]],
    ]);
    expect(group.generation_params).toEqual({ temperature: 1 });
  });

  test("overrides of some sequences leave the others empty ones", () => {
    const group = buildGroup([sequence(1, { overrides: { set_advantage_to_zero: true } }), sequence(0)]);
    expect(group.overrides).toEqual([{ set_advantage_to_zero: true }, {}]);
  });

  test("refuses a field that only some sequences carry", () => {
    const build = () => buildGroup([sequence(1, { inferenceLogprobs: [1, 1, 1] }), sequence(0)]);
    expect(build).toThrowError(expect.objectContaining({ code: "GROUP_INVALID" }));
    expect(build).toThrowError(/"inferenceLogprobs".*1 of 2/);
  });
});

describe("judgeGroup", () => {
  const rules: GroupRules = {
    groupSize: 2,
    ensureScoresAreNotSame: true,
    maxTokenLength: 4,
    maxSequences: 3,
  };
  const group = (more: Partial<ScoredGroup> = {}): ScoredGroup => ({
    ...buildGroup([sequence(1), sequence(0)]),
    ...more,
  });

  test.each<[string, ScoredGroup, Partial<GroupRules>, string]>([
    ["a good group is fit", group(), {}, "fit"],
    ["equal scores are skipped", group({ scores: [1, 1] }), {}, "same-scores"],
    [
      "equal scores are fit when allowed",
      group({ scores: [1, 1] }),
      { ensureScoresAreNotSame: false },
      "fit",
    ],
    ["a group of one has no equal scores", buildGroup([sequence(1)]), { groupSize: 1 }, "fit"],
    ["the size must be the configured one", group(), { groupSize: 4 }, "wrong-size"],
    [
      "or the one the group itself names",
      group({ group_overrides: { group_size: 2 } }),
      { groupSize: 4 },
      "fit",
    ],
    [
      "but no larger than the rollout server takes",
      group({ group_overrides: { group_size: 2 } }),
      { groupSize: 1, maxSequences: 1 },
      "wrong-size",
    ],
    [
      "a larger one is fit where the server takes it",
      group({ group_overrides: { group_size: 2 } }),
      { groupSize: 1, maxSequences: 8 },
      "fit",
    ],
    ["null group_overrides are no trouble", group({ group_overrides: null }), {}, "fit"],
    ["a sequence of the limit's length is too long", group(), { maxTokenLength: 3 }, "too-long"],
    ["no limit, no length check", group(), { maxTokenLength: Number.POSITIVE_INFINITY }, "fit"],
    ["a mask shorter than its tokens is malformed", group({ masks: [[1], [1, 2, 3]] }), {}, "malformed"],
    ["a missing score is malformed", group({ scores: [1] }), {}, "malformed"],
    ["a score that is no number is malformed", group({ scores: [1, Number.NaN] }), {}, "malformed"],
    ["no sequences are malformed", buildGroup([]), { groupSize: 0 }, "malformed"],
    [
      "log-probabilities of another length are malformed",
      group({ inference_logprobs: [[1], [1, 1, 1]] }),
      {},
      "malformed",
    ],
  ])("%s", (_title, given, more, expected) => {
    const verdict = judgeGroup(given, { ...rules, ...more });
    expect(verdict.fit ? "fit" : verdict.reason).toBe(expected);
  });
});

describe("placeholderTokens", () => {
  const messages: ChatMessage[] = [
    { role: "user", content: "How many? é" },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "c", type: "function", function: { name: "python", arguments: '{"code":"1"}' } }],
    },
    { role: "tool", tool_call_id: "c", content: "1" },
  ];

  test("are the conversation's bytes, all masked, none sampled", () => {
    const { tokens, masks, inferenceLogprobs } = placeholderTokens(messages, 2048);
    expect(new TextDecoder().decode(Uint8Array.from(tokens))).toBe(
      'user: How many? é\nassistant: python({"code":"1"})\ntool: 1',
    );
    expect(new Set(masks)).toEqual(new Set([-100]));
    expect(new Set(inferenceLogprobs)).toEqual(new Set([1]));
    expect([masks.length, inferenceLogprobs.length]).toEqual([tokens.length, tokens.length]);
  });

  test("are cut to stay shorter than the trainer's limit", () => {
    expect(placeholderTokens(messages, 10).tokens).toHaveLength(9);
  });
});
