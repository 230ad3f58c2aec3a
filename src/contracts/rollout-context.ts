/** What one rollout owns. It is passed down to whoever works for the rollout; nothing is global. */
import type { Logger } from "pino";
import type { Sandbox } from "./sandbox.ts";

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
  /** The rollout's one sandbox, made at the first call. */
  sandbox(): Promise<Sandbox>;
  /** The rollout's one resource of this key, made at the first call and disposed of with the rollout. */
  resource<T extends AsyncDisposable>(key: ResourceKey<T>): Promise<T>;
}

export type RolloutLimits = {
  /** Default time of one tool command, milliseconds. */
  toolTimeoutMs: number;
};
