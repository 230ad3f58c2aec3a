/**
 * How one kind of inference server takes prompts of ids and tells what it sampled. One file per kind; the rest
 * of the practice server doesn't know them apart.
 */
import type { Tokenizer } from "../../tokens/tokenizer.ts";
import type { ScoredToken } from "../logprob-model.ts";
import type { SampledSequence, SamplingRequest } from "../token-sampler.ts";

export const wireNames = [
  "vllm-generate",
  "vllm-completions",
  "sglang",
  "llamacpp",
  "trl",
  "atropos",
] as const;

export type WireName = (typeof wireNames)[number];

export type TokenAnswer = {
  id: string;
  createdSeconds: number;
  model: string;
  eosId: number;
  tokenizer: Tokenizer;
  weightVersion: string;
  /** One for each prompt, each with its sequences. */
  prompts: readonly {
    ids: readonly number[];
    sequences: readonly SampledSequence[];
    /** What the model gives to each of the prompt's own ids; absent where nobody asked. */
    scored?: readonly ScoredToken[] | undefined;
  }[];
  durationMs: number;
};

export type WireRequest = {
  prompts: readonly (readonly number[])[];
  sampling: SamplingRequest;
  /** How many of the likeliest tokens to tell at each of the prompt's own places; absent = it isn't scored. */
  promptTop?: number | undefined;
  /** Where the body names one; null leaves it to the headers. */
  sessionId: string | null;
  /** The answer's body. */
  write(answer: TokenAnswer): unknown;
};

export interface TokenWire {
  readonly name: WireName;
  readonly paths: readonly string[];
  /** Whether a body speaks this wire: two of them share a path. */
  accepts(body: unknown): boolean;
  /** Log-probabilities after the temperature, rather than of the bare model. */
  readonly processedLogprobs: boolean;
  /** Throws a ZodError for a body that it can't read. */
  read(body: unknown, tokenizer: Tokenizer): WireRequest;
  /** A refusal in the server's own words. */
  error(status: number, message: string): unknown;
}

/** The sequences of all prompts, prompt by prompt. */
export const allSequences = (
  answer: TokenAnswer,
): {
  promptIds: readonly number[];
  sequence: SampledSequence;
  scored: readonly ScoredToken[] | undefined;
}[] =>
  answer.prompts.flatMap(({ ids, sequences, scored }) =>
    sequences.map((sequence) => ({ promptIds: ids, sequence, scored })),
  );

export function usageOf({ prompts }: TokenAnswer) {
  const prompt_tokens = prompts.reduce((sum, { ids }) => sum + ids.length, 0);
  const completion_tokens = prompts
    .flatMap(({ sequences }) => sequences)
    .reduce((sum, { ids }) => sum + ids.length, 0);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}
