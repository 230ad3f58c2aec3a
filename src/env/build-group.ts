/** Turns the sequences of one item into the group that goes over the wire; what is absent is null. */
import type { ChatMessage, JsonObject } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";

/** One scored sequence. Arrays run along its tokens. */
export type ScoredSequence = {
  tokens: number[];
  /** Token id where trained on, -100 elsewhere. */
  masks: number[];
  score: number;
  /** 1.0 where nothing was sampled. */
  inferenceLogprobs?: number[];
  advantages?: number[];
  refLogprobs?: number[];
  messages?: ChatMessage[];
  overrides?: JsonObject;
  distillTokenIds?: number[][];
  distillLogprobs?: number[][];
};

export type GroupExtras = {
  groupOverrides?: JsonObject;
  generationParams?: JsonObject;
  images?: unknown;
};

/** Throws GROUP_INVALID when only some of the sequences carry an optional field. */
export function buildGroup(sequences: readonly ScoredSequence[], extras: GroupExtras = {}): ScoredGroup {
  const column = <Key extends keyof ScoredSequence>(key: Key) => optionalColumn(sequences, key);
  return {
    tokens: sequences.map((sequence) => sequence.tokens),
    masks: sequences.map((sequence) => sequence.masks),
    scores: sequences.map((sequence) => sequence.score),
    advantages: column("advantages"),
    ref_logprobs: column("refLogprobs"),
    messages: column("messages"),
    generation_params: extras.generationParams ?? null,
    inference_logprobs: column("inferenceLogprobs"),
    overrides: sequences.some((sequence) => sequence.overrides !== undefined)
      ? sequences.map((sequence) => sequence.overrides ?? {})
      : null,
    group_overrides: extras.groupOverrides ?? null,
    images: extras.images ?? null,
    env_id: null,
    distill_token_ids: column("distillTokenIds"),
    distill_logprobs: column("distillLogprobs"),
  };
}

function optionalColumn<Key extends keyof ScoredSequence>(
  sequences: readonly ScoredSequence[],
  key: Key,
): NonNullable<ScoredSequence[Key]>[] | null {
  const present = sequences.map((sequence) => sequence[key]).filter((value) => value != null);
  if (present.length === 0) return null;
  if (present.length === sequences.length) return present;
  throw new LachesisError(
    "GROUP_INVALID",
    `A group needs "${key}" on all of its sequences or on none; ${present.length} of ${sequences.length} have it.`,
  );
}
