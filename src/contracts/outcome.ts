/** How a rollout ended. A failure of the machinery is never a reward of 0: it has its own kind. */
import type { LachesisError } from "./errors.ts";

/** Why a rollout that the model played out came to its end. */
export type StopReason =
  /** The model answered without calling a tool, and the environment had nothing to reply. */
  | "finished"
  /** `max_agent_turns` model calls were made. */
  | "max-turns"
  /** The last turn was cut by the server's token limit (finish_reason "length"). */
  | "max-tokens"
  /** The conversation no longer fits the model's context. */
  | "context-full";

/** "environment" = the environment's own code threw, other than its reward. */
export type FailedStage = "inference" | "sandbox" | "environment" | "reward" | "token-audit";

export type Outcome =
  /** `turnRewards`: where the environment rewards single turns, one for each; `reward` is their sum. */
  | { kind: "scored"; reward: number; turnRewards?: readonly number[]; stop: StopReason }
  | { kind: "infra-failed"; stage: FailedStage; error: LachesisError; retryable: boolean }
  | { kind: "cancelled"; by: "shutdown" | "off-policy" | "timeout" | "group-dropped" };
