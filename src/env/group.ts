/**
 * What an environment is given to make one group, and what it gives back. A group that could not be made
 * is "failed", never a group of zeros; a cancelled one rejects with the signal's reason.
 */
import type { Logger } from "pino";
import type { LachesisError } from "../contracts/errors.ts";
import type { FailedStage } from "../contracts/outcome.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import type { GroupOrigin } from "./group-origin.ts";

export type GroupContext = {
  readonly groupId: string;
  /** Deterministic per group: derived from the run's seed and the group's number. */
  readonly seed: number;
  /** Aborts with a Cancellation when the group is no longer wanted. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch at which `signal` aborts by itself ("timeout"); Infinity = never. */
  readonly deadlineMs: number;
  readonly logger: Logger;
  /** Sequences must stay shorter than this many tokens; Infinity = no limit. */
  readonly maxTokenLength: number;
  /** Sequences that the group may have at most; more than one per rollout where history was rewritten. */
  readonly maxSequences: number;
};

export type GroupFailure = {
  kind: "failed";
  stage: FailedStage;
  error: LachesisError;
  /** True when the same item, tried again, may succeed. */
  retryable: boolean;
};

export type CollectedGroup = {
  kind: "collected";
  group: ScoredGroup;
  /** What files of groups tell besides; absent where the environment makes its groups by itself. */
  origin?: GroupOrigin;
};

export type GroupResult = CollectedGroup | GroupFailure;
