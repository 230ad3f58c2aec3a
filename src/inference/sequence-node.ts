/** A segment in the layout of Atropos' ManagedServer, which environments written for it read. */
import type { Segment } from "../contracts/segment.ts";
import type { Tokenizer } from "../tokens/tokenizer.ts";
import { trainedTokens } from "../tokens/trained-tokens.ts";

export type SequenceNode = {
  full_text: string;
  tokens: number[];
  /** The id where it was sampled, -100 elsewhere. */
  masked_tokens: number[];
  /** 1.0 where nothing was sampled. */
  logprobs: number[];
  metadata: { finish_reason: string };
};

export function sequenceNode(segment: Segment, tokenizer: Tokenizer): SequenceNode {
  const { tokens, masks, inferenceLogprobs } = trainedTokens(segment);
  return {
    full_text: tokenizer.decode(tokens),
    tokens,
    masked_tokens: masks,
    logprobs: inferenceLogprobs,
    metadata: { finish_reason: segment.finishReason },
  };
}
