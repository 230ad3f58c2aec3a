/** Small policies with random weights, and what a trainer would compute of them. */

import { seededRandom } from "../../src/practice/seeded-random.ts";
import { initialParameters } from "../../src/tiny-policy/engine/parameters.ts";
import { Transformer } from "../../src/tiny-policy/engine/transformer.ts";
import { transformerConfig } from "../../src/tiny-policy/engine/transformer-config.ts";
import type { PolicyWeights } from "../../src/tiny-policy/weights-file.ts";

export const policyConfig = transformerConfig.parse({ vocabulary_size: 512, context_length: 64, width: 32 });

/** Random weights, wilder than those that training starts from, so that likelihoods differ. */
export function randomPolicy(seed = 1, version = 0, config = policyConfig): PolicyWeights {
  const weights = initialParameters(config, seededRandom(seed)).map((value) => value * 2);
  return { config, weights, version };
}

/** The log-probabilities of what was sampled behind a prompt, by the forward pass that training uses. */
export function forwardLogprobs(
  { config, weights }: PolicyWeights,
  promptIds: readonly number[],
  ids: readonly number[],
): number[] {
  const tokens = Int32Array.from([...promptIds, ...ids]);
  const scored = Int32Array.from(ids, (_, index) => promptIds.length + index);
  const starts = Int32Array.of(0, tokens.length);
  return [...new Transformer(config, weights).forward({ tokens, starts, scored })];
}
