import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/contracts/chat.ts";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { seededRandom } from "../../src/practice/seeded-random.ts";
import { type BatchRules, readGroup } from "../../src/trainer/batch.ts";
import { readPolicyBatch } from "../../src/trainer/policy-batch.ts";
import { toyGroup, toyPolicy } from "../support/toy-policy.ts";

const rules: BatchRules = { vocabularySize: 12, contextLength: 16, step: 0, maxStaleness: 2 };
/** A prompt of two, two sampled ids, a tool's result of two, one more sampled id. */
const script = [1, 2, "sample", "sample", 8, 9, "sample"] as const;

function goodGroup(): ScoredGroup {
  const group = toyGroup(toyPolicy(), { script, size: 4, random: seededRandom(2) });
  return { ...group, scores: [1, 0, 0, 1] };
}

/** The group after something went wrong in it. */
function spoilt(spoil: (group: ScoredGroup) => void): ScoredGroup {
  const group = structuredClone(goodGroup());
  spoil(group);
  return group;
}

const thrownBy = (group: ScoredGroup, given: Partial<BatchRules> = {}) => {
  try {
    readGroup(group, 3, { ...rules, ...given });
  } catch (error) {
    return error;
  }
  return undefined;
};

describe("a group as training sequences", () => {
  test("trains what was sampled, with the advantages of the scores", () => {
    const group = goodGroup();
    const { sequences } = readGroup(group, 0, rules);
    expect(sequences.map(({ positions }) => [...positions])).toEqual(Array(4).fill([2, 3, 6]));
    expect(sequences.map(({ pulls }) => [...pulls])).toEqual([1, -1, -1, 1].map((one) => [one, one, one]));
    for (const [index, { sampledLogprobs, versions, tokens }] of sequences.entries()) {
      expect([...sampledLogprobs]).toEqual([2, 3, 6].map((at) => group.inference_logprobs?.[index]?.[at]));
      expect([...tokens]).toEqual(group.tokens[index]);
      expect([...versions!]).toEqual([0, 0, 0]);
    }
  });

  test("takes the environment's own advantages as they are, token by token, whatever the scores", () => {
    const advantages = [0, 1, 2, 3].map((sequence) => script.map((_, at) => sequence + at / 10));
    const { sequences } = readGroup({ ...goodGroup(), scores: [1, 1, 1, 1], advantages }, 0, rules);
    expect(sequences.map(({ pulls }) => [...pulls])).toEqual(
      [0, 1, 2, 3].map((sequence) => [2, 3, 6].map((at) => Math.fround(sequence + at / 10))),
    );
  });

  test("set_advantage_to_zero takes a sequence's pull, and the others' stay", () => {
    const overrides: JsonObject[] = [{}, { set_advantage_to_zero: true }, {}, {}];
    const { sequences } = readGroup({ ...goodGroup(), overrides }, 0, rules);
    expect(sequences.map(({ pulls }) => pulls[0])).toEqual([1, 0, -1, 1]);
  });

  test("is dropped and counted when its scores are equal, or all its advantages are 0", () => {
    expect(readGroup({ ...goodGroup(), scores: [2, 2, 2, 2] }, 0, rules)).toMatchObject({
      sequences: [],
      equalScoreGroups: 1,
    });
    const advantages = goodGroup().tokens.map((tokens) => tokens.map(() => 0));
    expect(readGroup({ ...goodGroup(), advantages }, 0, rules)).toMatchObject({
      sequences: [],
      equalScoreGroups: 1,
    });
  });

  test("loses sequences longer than the context, and counts them; the rest keeps its advantages", () => {
    const group = spoilt(({ tokens, masks, inference_logprobs: logprobs, overrides }) => {
      tokens[1] = [...tokens[1]!, 4];
      masks[1] = [...masks[1]!, -100];
      logprobs![1] = [...logprobs![1]!, 1];
      overrides![1] = {};
    });
    const read = readGroup(group, 0, { ...rules, contextLength: 7 });
    expect(read).toMatchObject({ tooLongSequences: 1 });
    expect(read.sequences.map(({ pulls }) => pulls[0])).toEqual([1, -1, 1]);
  });

  test("loses sequences without a position to train, and counts them", () => {
    const group = spoilt(({ masks }) => masks[0]!.fill(-100));
    expect(readGroup(group, 0, rules)).toMatchObject({ untrainedSequences: 1, sequences: { length: 3 } });
  });
});

describe("a planted bug is caught where it is", () => {
  test.each<[string, (group: ScoredGroup) => void, RegExp]>([
    [
      "masks shifted by one, labels as next tokens",
      ({ tokens, masks }) => {
        masks[1] = masks[1]!.map((_, at) => masks[1]![at + 1] ?? -100);
        tokens[1]![1] = 0;
        masks[1]![1] = 7;
      },
      /^group 3, sequence 1, position 1: mask 7, expected the position's own token 0/,
    ],
    [
      "masks shifted by one, labels in place",
      ({ tokens, masks }) => {
        masks[2] = tokens[2]!.map((id, at) => ((masks[2]![at + 1] ?? -100) !== -100 ? id : -100));
      },
      /^group 3, sequence 2, position 1: trained, but the model never sampled it/,
    ],
    [
      "a tool's tokens trained",
      ({ tokens, masks }) => {
        masks[0]![4] = tokens[0]![4]!;
      },
      /^group 3, sequence 0, position 4: trained, but the model never sampled it/,
    ],
    [
      "a tool's tokens trained, under log-probabilities made up for them",
      ({ tokens, masks, inference_logprobs: logprobs }) => {
        masks[0]![4] = tokens[0]![4]!;
        logprobs![0]![4] = 0;
      },
      /^group 3, sequence 0, position 4: trained, but the model never sampled it/,
    ],
    [
      "logprobs missing",
      (group) => {
        group.inference_logprobs = null;
      },
      /^group 3: inference_logprobs is null/,
    ],
    [
      "logprobs shorter than the tokens",
      ({ inference_logprobs: logprobs }) => void logprobs![3]!.pop(),
      /^group 3, sequence 3: 7 tokens, but 6 inference_logprobs/,
    ],
    [
      "a positive log-probability",
      ({ inference_logprobs: logprobs }) => {
        logprobs![0]![2] = 0.3;
      },
      /^group 3, sequence 0, position 2: log-probability 0.3/,
    ],
    [
      "a server's -9999",
      ({ inference_logprobs: logprobs }) => {
        logprobs![0]![2] = -9999;
      },
      /^group 3, sequence 0, position 2: log-probability -9999/,
    ],
    [
      "an id that the model doesn't have",
      ({ tokens }) => {
        tokens[0]![0] = 12;
      },
      /^group 3, sequence 0, position 0: token 12, the model has ids from 0 to 11/,
    ],
    ["a mask too few", ({ masks }) => void masks.pop(), /^group 3: 4 sequences of tokens, but 3 of masks/],
    [
      "a score that is none",
      ({ scores }) => {
        scores[1] = Number.NaN;
      },
      /^group 3, sequence 1: score NaN/,
    ],
    [
      "an advantage that is none",
      (group) => {
        group.advantages = group.tokens.map((tokens) => tokens.map(() => 1));
        group.advantages[2]![3] = Number.POSITIVE_INFINITY;
      },
      /^group 3, sequence 2, position 3: advantage Infinity/,
    ],
  ])("%s", (_, spoil, message) => {
    expect(thrownBy(spoilt(spoil))).toMatchObject({
      code: "TRAINING_GROUP_INVALID",
      message: expect.stringMatching(message),
    });
  });

  test("placeholder tokens", () => {
    const group = { ...goodGroup(), group_overrides: { placeholder_tokens: true } };
    expect(thrownBy(group)).toMatchObject({ code: "PLACEHOLDER_TOKENS_REFUSED" });
  });

  test.each<[string, (group: ScoredGroup) => void]>([
    [
      "one a token",
      (group) => {
        group.overrides = group.tokens.map(() => ({ versions: [-1, -1, 2, 2, -1, -1, 3] }));
      },
    ],
    [
      "one a sequence",
      (group) => {
        group.overrides = group.tokens.map(() => ({ weight_version: 2 }));
      },
    ],
    [
      "one a group",
      (group) => Object.assign(group, { overrides: null, group_overrides: { weight_version: 2 } }),
    ],
    [
      "of how it was sampled",
      (group) => Object.assign(group, { overrides: null, generation_params: { weight_version: 2 } }),
    ],
  ])("stale weights: a version %s", (_, spoil) => {
    const group = spoilt(spoil);
    expect(readGroup(group, 0, { ...rules, step: 5 })).toMatchObject({ sequences: [], staleSequences: 4 });
    expect(readGroup(group, 0, { ...rules, step: 4 })).toMatchObject({
      staleSequences: 0,
      sequences: { length: 4 },
    });
    expect(readGroup(group, 0, { ...rules, step: 5, maxStaleness: null })).toMatchObject({
      staleSequences: 0,
    });
  });
});

describe("a batch", () => {
  test("counts everything, and its reward is that of all sequences", () => {
    const equal = { ...goodGroup(), scores: [1, 1, 1, 1] };
    const batch = readPolicyBatch([goodGroup(), equal], { ...rules, step: 1, onInvalid: "stop" });
    expect(batch).toMatchObject({
      groups: 2,
      equalScoreGroups: 1,
      reward: 0.75,
      stalenessMean: 1,
      stalenessMax: 1,
      sequences: { length: 4 },
    });
  });

  test("leaves invalid groups out and says why, or stops at the first", () => {
    const bad = spoilt((group) => {
      group.inference_logprobs = null;
    });
    const batch = readPolicyBatch([bad, goodGroup()], { ...rules, onInvalid: "drop" });
    expect(batch).toMatchObject({ invalidGroups: 1, sequences: { length: 4 } });
    expect(batch.firstProblem).toContain("group 0: inference_logprobs is null");
    expect(() => readPolicyBatch([goodGroup(), bad], { ...rules, onInvalid: "stop" })).toThrow("group 1:");
  });
});
