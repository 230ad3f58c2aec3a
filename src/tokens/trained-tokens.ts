/** A segment as trainers take sequences: ids, which of them are trained on, and how likely each was. */
import type { Segment } from "../contracts/segment.ts";

export type TrainedTokens = {
  tokens: number[];
  /** The id where trained on, -100 elsewhere. */
  masks: number[];
  /** Always a full array; 1.0 where nothing was sampled. */
  inferenceLogprobs: number[];
};

/** In the masks of what is not trained on. */
export const masked = -100;
/** In the log-probabilities of what was not sampled: none is above 0. */
export const notSampled = 1;

export function trainedTokens({ tokens, sampled, logprobs }: Segment): TrainedTokens {
  return {
    tokens: [...tokens],
    masks: tokens.map((id, index) => (sampled[index] ? id : masked)),
    inferenceLogprobs: logprobs.map((logprob, index) => (sampled[index] ? logprob : notSampled)),
  };
}
