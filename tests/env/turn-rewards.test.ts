import { describe, expect, test } from "vitest";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { judgeGroup } from "../../src/env/group-rules.ts";
import { checkReward, type RolloutReward, turnAdvantages } from "../../src/env/turn-rewards.ts";

const place = { turns: 3, rolloutId: "r1" };

describe("what computeReward gives", () => {
  test("rewards of turns come to their sum, without the rounding of binary fractions", () => {
    expect(checkReward({ turnRewards: [0.1, 0.2, 0] }, place)).toEqual({
      reward: 0.3,
      turnRewards: [0.1, 0.2, 0],
    });
    expect(checkReward(0.7, place)).toEqual({ reward: 0.7 });
  });

  test.each([
    ["nothing", undefined, "got undefined"],
    ["null", null, "got null"],
    ["a text", "1", "got '1'"],
    ["a boolean", true, "got true"],
    ["an object of another kind", { score: 1 }, "got { score: 1 }"],
    ["turn rewards that are no list", { turnRewards: 1 }, "got { turnRewards: 1 }"],
    ["a turn with a text", { turnRewards: [1, "1", 0] }, "finite number for turn 2, got '1'"],
  ])("%s is refused by what it is, whatever the types promised", (_what, given: unknown, message) => {
    const check = () => checkReward(given as RolloutReward, place);
    expect(check).toThrow(
      expect.objectContaining({ code: "REWARD_NOT_FINITE", message: expect.stringContaining(message) }),
    );
  });

  test.each([
    ["too few turns", { turnRewards: [1, 1] }, "REWARD_TURNS_MISMATCH", "3 turns, got 2"],
    ["too many turns", { turnRewards: [1, 1, 0, 0] }, "REWARD_TURNS_MISMATCH", "3 turns, got 4"],
    ["a turn without a number", { turnRewards: [1, Number.NaN, 0] }, "REWARD_NOT_FINITE", "for turn 2"],
    ["no number", Number.POSITIVE_INFINITY, "REWARD_NOT_FINITE", "finite number, got Infinity"],
  ])("%s is refused", (_what, given, code, message) => {
    const check = () => checkReward(given, place);
    expect(check).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
  });
});

describe("advantages of turns", () => {
  // Over all five rewards the mean is 1 and the deviation (population) 1.
  const rewards = [
    [0, 2, 2],
    [0, 1],
  ];
  const scale = 1 / Math.sqrt(4 / 5);

  test.each([
    [
      "all that follows counts in full",
      1,
      [
        [1, 2, 1],
        [-1, 0],
      ],
    ],
    [
      "a later turn counts half as much for each turn before it",
      0.5,
      [
        [-0.25, 1.5, 1],
        [-1, 0],
      ],
    ],
    [
      "each turn stands for itself",
      0,
      [
        [-1, 1, 1],
        [-1, 0],
      ],
    ],
  ])("%s with discount %d", (_what, discount, expected) => {
    const scaled = expected.map((turns) => turns.map((value) => expect.closeTo(value * scale, 10)));
    expect(turnAdvantages(rewards, discount)).toEqual(scaled);
  });

  test.each([
    ["equal rewards", [[0.1, 0.1], [0.1]]],
    ["one turn", [[5]]],
    ["turns that nobody took", [[], []]],
  ])("%s teach nothing and break nothing", (_what, given) => {
    expect(turnAdvantages(given, 1)).toEqual(given.map((turns) => turns.map(() => 0)));
  });
});

describe("a group of equal scores", () => {
  const group = (advantages: number[][] | null): ScoredGroup => ({
    tokens: [
      [1, 2],
      [1, 3],
    ],
    masks: [
      [-100, 2],
      [-100, 3],
    ],
    scores: [1, 1],
    advantages,
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
  const rules = { groupSize: 2, ensureScoresAreNotSame: true, maxTokenLength: 10, maxSequences: 2 };

  test.each([
    ["is skipped", null, false],
    [
      "is skipped where its advantages are 0 but for rounding",
      [
        [0, 1e-12],
        [0, -1e-12],
      ],
      false,
    ],
    [
      "is kept where its turns are worth different things",
      [
        [0, 0.5],
        [0, -0.5],
      ],
      true,
    ],
  ])("%s", (_what, advantages, fit) => {
    expect(judgeGroup(group(advantages), rules).fit).toBe(fit);
  });
});
