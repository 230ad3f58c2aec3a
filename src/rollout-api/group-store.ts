/**
 * The state of one run, and what may be done to it. Each method is atomic: nothing else happens between its
 * reading and its writing, and a submission is stored whole or not at all. Bodies of groups are opaque bytes
 * that come out as they went in.
 *
 * A run is closed until a trainer registers, then registered, then (once the trainer asked for a batch)
 * started: only then may environments join. Groups are taken in any of these states and wait.
 */
import type { EncodedGroup } from "./group-fields.ts";

/** What the trainer said when it opened the run. The bigints are only ever told on. */
export type Registration = {
  wandbGroup: string;
  wandbProject: string;
  /** Sequences per batch. Below 1 no batch is ever formed. */
  batchSize: number;
  maxTokenLength: bigint;
  checkpointDir: string;
  saveCheckpointInterval: bigint;
  startingStep: number;
  numSteps: bigint;
};

export type EnvRequest = {
  /** Longest sequence the environment sends, in tokens; it scales the environment's share. */
  maxTokenLength: number;
  desiredName: string;
  weight: number;
  groupSize: number;
  /** Smallest share of every batch; null = none. */
  minBatchAllocation: number | null;
};

export type JoinedRun = {
  envId: number;
  /** The desired name with the number of earlier namesakes. */
  wandbName: string;
  checkpointDir: string;
  currentStep: number;
  checkpointInterval: bigint;
  numSteps: bigint;
};

/** Where a submitted group went: to the queue, or to its environment's buffer of odd sizes. */
export type Placement = { kind: "queued" } | { kind: "buffered"; sequencesLeft: number };

export type DisconnectAnswer = "disconnected" | "unknown-env" | "never-opened";

export type BatchAnswer =
  | { kind: "not-registered" }
  | { kind: "none-ready" }
  /** Bodies in the batch's order. */
  | { kind: "batch"; bodies: readonly Buffer[] };

export type EnvStatusAnswer = {
  currentStep: number;
  /** The whole queue in groups of this environment's size. */
  queueSize: number;
  /** Share of a batch that no environment has as its minimum. */
  unallocatedFraction: number;
  /** Groups of this environment's size that it has in the queue. */
  selfQueueSize: number;
  /** Sequences in the queue's largest group; at least 1. */
  maxGroupSize: number;
  /** This environment's share of the run by weight and length. */
  envWeight: number;
};

export interface GroupStore extends AsyncDisposable {
  /** Opens the run; changes nothing when it is open already. */
  register(registration: Registration): Promise<void>;
  /** Closes the run and forgets its groups and environments; the latest example and maxTokenLength stay. */
  reset(): Promise<void>;
  /** Joins an environment; null = the run has not started. */
  registerEnv(request: EnvRequest): Promise<JoinedRun | null>;
  /** Disconnecting twice is fine. "never-opened" = no trainer has registered, ever. */
  disconnectEnv(envId: number): Promise<DisconnectAnswer>;
  /** Stores groups in order, all or none. */
  submit(groups: readonly EncodedGroup[]): Promise<Placement[]>;
  /** Takes a batch out; the first call starts a registered run. */
  takeBatch(): Promise<BatchAnswer>;
  /** -1 where unknown. */
  info(): Promise<{ batchSize: number; maxTokenLength: bigint }>;
  status(): Promise<{ currentStep: number; queuedGroups: number }>;
  wandbInfo(): Promise<{ group: string | null; project: string | null }>;
  /** null = no such environment. */
  envStatus(envId: number): Promise<EnvStatusAnswer | null>;
  /** The group that was queued last; null = none yet. */
  latestExample(): Promise<Buffer | null>;
}
