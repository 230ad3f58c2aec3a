/** A policy of a few thousand weights and groups that it really sampled, for tests of the trainer. */
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { seededRandom } from "../../src/practice/seeded-random.ts";
import { Decoder } from "../../src/tiny-policy/engine/decoder.ts";
import { logSoftmax } from "../../src/tiny-policy/engine/operations.ts";
import { initialParameters } from "../../src/tiny-policy/engine/parameters.ts";
import type { PolicyWeights } from "../../src/tiny-policy/weights-file.ts";

export const toyConfig = { vocabulary_size: 12, context_length: 16, layers: 2, width: 16, heads: 4 };

export function toyPolicy(seed = 1): PolicyWeights {
  return { config: toyConfig, weights: initialParameters(toyConfig, seededRandom(seed)), version: 0 };
}

/** One token of a sequence: given, or to be sampled. */
export type ToyToken = number | "sample";

/** Plays tokens through the decoder, as an inference server would: one sequence, sampled at temperature 1. */
export function playToy(policy: PolicyWeights, script: readonly ToyToken[], random: () => number) {
  const decoder = new Decoder(policy.config, policy.weights, { slots: 1 });
  const tokens: number[] = [];
  const logprobs: number[] = [];
  const sampled: boolean[] = [];
  let logits = new Float32Array(policy.config.vocabulary_size);
  for (const [position, wanted] of script.entries()) {
    const id = wanted === "sample" ? draw(logits, random) : wanted;
    const logprob = Math.fround(logSoftmax(logits.slice(), 0, logits.length, id));
    tokens.push(id);
    sampled.push(wanted === "sample");
    logprobs.push(wanted === "sample" ? logprob : 1);
    logits = Float32Array.from(decoder.read([{ slot: 0, position, token: id }], [0])[0] ?? []);
  }
  return { tokens, logprobs, sampled };
}

/** A group as an environment of this project sends it, scored by how often the model said `liked`. */
export function toyGroup(
  policy: PolicyWeights,
  {
    script,
    size,
    random,
    liked = 5,
  }: { script: readonly ToyToken[]; size: number; random: () => number; liked?: number },
): ScoredGroup {
  const rollouts = Array.from({ length: size }, () => playToy(policy, script, random));
  return {
    tokens: rollouts.map(({ tokens }) => tokens),
    masks: rollouts.map(({ tokens, sampled }) => tokens.map((id, at) => (sampled[at] ? id : -100))),
    scores: rollouts.map(
      ({ tokens, sampled }) => tokens.filter((id, at) => sampled[at] && id === liked).length,
    ),
    inference_logprobs: rollouts.map(({ logprobs }) => logprobs),
    overrides: rollouts.map(({ sampled }) => ({
      weight_version: sampled.map((isSampled) => (isSampled ? policy.version : null)),
    })),
    advantages: null,
    ref_logprobs: null,
    messages: null,
    generation_params: null,
    group_overrides: null,
    images: null,
    env_id: null,
    distill_token_ids: null,
    distill_logprobs: null,
  };
}

function draw(logits: Float32Array, random: () => number): number {
  const shares = logits.slice();
  logSoftmax(shares, 0, shares.length, 0);
  let rest = random();
  const chosen = shares.findIndex((share) => {
    rest -= share;
    return rest < 0;
  });
  return chosen < 0 ? shares.length - 1 : chosen;
}
