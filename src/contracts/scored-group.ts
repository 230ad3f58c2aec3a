/**
 * A group of scored rollouts as the rollout API takes it (wire names are Atropos'). Nested arrays are
 * [sequence][position]; absent optional fields are null, never [].
 */
import type { ChatMessage, JsonObject } from "./chat.ts";

export type ScoredGroup = {
  tokens: number[][];
  /** Token id where the position is trained on, -100 elsewhere. */
  masks: number[][];
  /** One score per sequence. */
  scores: number[];
  advantages: number[][] | null;
  ref_logprobs: number[][] | null;
  messages: ChatMessage[][] | null;
  generation_params: JsonObject | null;
  /** Log-probability at sampling time; 1.0 marks positions that were not sampled. */
  inference_logprobs: number[][] | null;
  overrides: JsonObject[] | null;
  group_overrides: JsonObject | null;
  images: unknown;
  env_id: number | null;
  distill_token_ids: number[][][] | null;
  distill_logprobs: number[][][] | null;
};
