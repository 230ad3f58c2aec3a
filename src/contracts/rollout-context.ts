/** What one rollout owns. It is passed down to whoever works for the rollout; nothing is global. */
import type { Logger } from "pino";
import type { ChatMessage, Usage } from "./chat.ts";
import type { StopReason } from "./outcome.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Tool } from "./tool.ts";

/** Identity of a per-rollout resource, e.g. the Python REPL. Compare by reference. */
export type ResourceKey<T extends AsyncDisposable> = {
  readonly name: string;
  /** Makes the resource the first time a rollout asks for it. */
  create(context: RolloutContext): Promise<T>;
};

export interface RolloutContext {
  readonly rolloutId: string;
  readonly groupId: string;
  /** Deterministic per rollout: derived from the run's seed, the item and the sample's index. */
  readonly seed: number;
  /** Milliseconds since the epoch after which the rollout is cancelled ("timeout"); Infinity = none. */
  readonly deadlineMs: number;
  /** Aborts when the rollout is cancelled. Everything that waits for this rollout takes it. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** Limits that hold where a call sets none. */
  readonly limits: RolloutLimits;
  /** What the model may call in this rollout. */
  readonly tools: readonly Tool[];
  /** Plays child rollouts; null where this rollout may have none. */
  readonly children: ChildRollouts | null;
  /** The rollout's one sandbox, made at the first call. */
  sandbox(): Promise<Sandbox>;
  /** The rollout's one resource of this key, made at the first call and disposed of with the rollout. */
  resource<T extends AsyncDisposable>(key: ResourceKey<T>): Promise<T>;
}

/** Plays tasks that a rollout gives away, on its sandbox and over an inference session each. */
export interface ChildRollouts {
  /** Tasks that may still be given away. */
  readonly left: number;
  /**
   * Plays one to its end. Rejects with a failure of the machinery, which is one of the parent too, or the signal's
   * reason.
   */
  play(task: ChildTask): Promise<ChildResult>;
}

export type ChildTask = {
  messages: readonly ChatMessage[];
  /** Of the parent's tools. */
  tools: readonly Tool[];
  /** Model calls at most; never more than the parent may make. */
  maxTurns: number;
};

export type ChildResult = {
  stop: StopReason;
  /** The conversation, from the task's messages on. */
  messages: readonly ChatMessage[];
  turnsUsed: number;
  usage: Usage;
  /** Calls in the order they were made. */
  toolErrors: readonly { turn: number; toolName: string; error: string }[];
};

export type RolloutLimits = {
  /** Default time of one tool command, milliseconds. */
  toolTimeoutMs: number;
};
