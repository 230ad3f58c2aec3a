/**
 * Inference servers that take token ids and give token ids (spec: the stock servers' own APIs). What is
 * trained on comes from here and from nowhere else.
 */
import type { CallOptions, JsonObject } from "./chat.ts";

/**
 * Every field is sent with every request: servers fill what is missing from the model's own
 * generation_config, which no one sees.
 */
export type Sampling = {
  temperature: number;
  /** 1 = off. */
  top_p: number;
  /** 0 = off; servers whose own "off" differs (-1) translate. */
  top_k: number;
  /** 0 = off. */
  min_p: number;
  /** 1 = off. */
  repetition_penalty: number;
  /** Tokens to sample at most, per sequence. */
  max_tokens: number;
  stop: readonly string[];
  stop_token_ids: readonly number[];
  /** Null lets the server choose. */
  seed: number | null;
  /** Sequences to sample from the same prompt. */
  n: number;
  /** Server-specific fields, merged into its sampling parameters. */
  extra: JsonObject;
};

/**
 * "raw": log-softmax of the model's logits. "processed": after temperature, top-p and penalties. Which of the
 * two a server gives decides how a trainer's importance ratio is computed.
 */
export type LogprobKind = "raw" | "processed";

/** One sampled sequence. `ids` and `logprobs` have one length. */
export type Generation = {
  /** As sampled: EOS and stop tokens included, although the server's text lacks them. */
  ids: number[];
  /** Natural-log probability of each id when it was sampled. Finite, never above 0. */
  logprobs: number[];
  logprobKind: LogprobKind;
  /** The server's own word: "stop", "length", "abort", ... */
  finishReason: string;
  /** The stop string or stop token id that ended it; null for EOS and for a cut. */
  stopReason: string | number | null;
  /** Weight version that sampled each id, where the server tells it. */
  versions?: number[];
};

export type GenerateRequest = {
  inputIds: readonly number[];
  sampling: Sampling;
  /** One per rollout: servers route by it to where the prefix is cached. */
  sessionId: string;
};

/**
 * Samples continuations of token ids. Answers exactly `sampling.n` generations, in the server's order.
 * Rejects with a LachesisError (stage "inference" when no answer could be had, "token-audit" when the answer
 * can't be trusted: lengths that differ, missing log-probabilities), and with the signal's reason when aborted.
 */
export interface TokenServer {
  generate(request: GenerateRequest, options: CallOptions): Promise<Generation[]>;
}
