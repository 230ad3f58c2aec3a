/**
 * The state of one run, and what may be done to it. Each method is atomic: nothing else happens between its
 * reading and its writing, and a submission is stored whole or not at all. Bodies of groups are opaque bytes
 * that come out as they went in. A method of a durable store resolves once its effect is on disk; when the
 * disk refuses, it rejects with STORE_WRITE_FAILED and has changed nothing.
 *
 * A run is closed until a trainer registers, then registered, then (once the trainer asked for a batch)
 * started: only then may environments join. Groups are taken in any of these states and wait.
 *
 * A batch leaves in two steps. It is leased to whoever takes it, and gone once the lease is settled as taken.
 * A lease that is settled as returned, or that expires, gives its batch back to the front of the waiting ones.
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

export type SubmitAnswer =
  /** One placement per group. A group whose id is known counts once: it gets its first answer again. */
  | { kind: "accepted"; placements: readonly Placement[] }
  /** The run holds as much as it may; nothing was stored. */
  | { kind: "full"; retryAfterSeconds: number }
  /** The group at this index could never be part of a batch; nothing was stored. */
  | { kind: "unpackable"; index: number; reason: string };

export type DisconnectAnswer = "disconnected" | "unknown-env" | "never-opened";

export type BatchRequest = {
  /**
   * After how long an unsettled batch is served again. null = as long as this process lives: the batch comes
   * back when the store is opened anew.
   */
  leaseSeconds: number | null;
};

/** What a store knows of a group without looking into it. */
export type BatchGroup = {
  envId: number | null;
  sequences: number;
  /** Milliseconds since the epoch. */
  arrivedAt: number;
  /** The trainer's step when it came. */
  arrivedStep: number;
};

export type BatchAnswer =
  | { kind: "not-registered" }
  | { kind: "none-ready" }
  | {
      kind: "batch";
      leaseId: string;
      /** In the batch's order; each is the caller's to read, not to change. */
      bodies: readonly Buffer[];
      /** Milliseconds since the epoch at which the batch was formed. */
      formedAt: number;
      /**
       * The trainer's step: batches handed out before this one, from the registered starting step. It is the
       * version of the weights that this batch trains. (`currentStep` also counts batches that still wait.)
       */
      step: number;
      /** One for each body. */
      groups: readonly BatchGroup[];
      /** To be called when the bodies have been used: their memory may be used again. Not calling it costs only that. */
      release?: () => void;
    };

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

export type EnvOverview = {
  envId: number;
  wandbName: string;
  weight: number;
  groupSize: number;
  connected: boolean;
  /** Not heard of for longer than the store's `envTimeoutMs`. */
  stale: boolean;
  /** Milliseconds since the epoch. */
  lastSeenAt: number;
  groupsIn: number;
  sequencesIn: number;
  /** In the queue or the environment's buffer. */
  queuedGroups: number;
  queuedSequences: number;
};

/** Counts of a run since it was opened; they survive restarts. */
export type RunTotals = {
  groupsIn: number;
  sequencesIn: number;
  /** Of batches settled as taken. */
  groupsOut: number;
  sequencesOut: number;
  batchesOut: number;
  /** Groups that had come before, by their id. */
  duplicates: number;
  /** Leases that ran out before anybody settled them. */
  leasesExpired: number;
};

/** A run at a glance, for metrics and the page; costs environments, not groups. */
export type RunOverview = {
  registered: boolean;
  started: boolean;
  currentStep: number;
  /** -1 where unknown. */
  batchSize: number;
  queuedGroups: number;
  queuedSequences: number;
  queuedBytes: number;
  bufferedGroups: number;
  bufferedSequences: number;
  /** Queued groups that no batch of this run can ever hold: they came before the trainer told its batch size. */
  unpackableGroups: number;
  /** Formed batches that wait for a trainer. */
  waitingBatches: number;
  openLeases: number;
  /** All that the limits count: queued, buffered, in formed batches, leased. */
  heldGroups: number;
  heldBytes: number;
  /** Age of the group that has been in the queue longest; null = the queue is empty. */
  oldestQueuedMs: number | null;
  envs: readonly EnvOverview[];
  totals: RunTotals;
};

export interface GroupStore extends AsyncDisposable {
  /** Opens the run; changes nothing when it is open already. Resolves with what it was opened with. */
  register(registration: Registration): Promise<Registration>;
  /** Closes the run and forgets its groups, environments and leases; the latest example and maxTokenLength stay. */
  reset(): Promise<void>;
  /** Joins an environment; null = the run has not started. */
  registerEnv(request: EnvRequest): Promise<JoinedRun | null>;
  /** Disconnecting twice is fine. "never-opened" = no trainer has registered, ever. */
  disconnectEnv(envId: number): Promise<DisconnectAnswer>;
  /** Stores groups in order, all or none. The bodies are the store's from here on: it may detach them. */
  submit(groups: readonly EncodedGroup[]): Promise<SubmitAnswer>;
  /** Leases a batch; the first call starts a registered run. */
  takeBatch(request: BatchRequest): Promise<BatchAnswer>;
  /**
   * Ends a lease: "taken" = the batch is gone, "returned" = it is served again, before the others. false = the
   * lease is unknown or has expired. Settling again in the same way answers true again (for the run's newest
   * leases), so an answer that got lost can be asked for.
   */
  settleBatch(leaseId: string, how: "taken" | "returned"): Promise<boolean>;
  /** -1 where unknown. */
  info(): Promise<{ batchSize: number; maxTokenLength: bigint }>;
  status(): Promise<{ currentStep: number; queuedGroups: number }>;
  wandbInfo(): Promise<{ group: string | null; project: string | null }>;
  /** null = no such environment. Asking counts as a sign of life. */
  envStatus(envId: number): Promise<EnvStatusAnswer | null>;
  /** The group that was queued last; null = none yet. */
  latestExample(): Promise<Buffer | null>;
  overview(): Promise<RunOverview>;
}

/** The runs of one server, each with a store of its own. Disposing closes all. */
export interface GroupStores extends AsyncDisposable {
  /** The run of this name, made when it is new; the same object for the same name. */
  run(name: string): Promise<GroupStore>;
  /** All runs there are, also those of earlier processes. */
  names(): readonly string[];
  /** Writes something that changes nothing; rejects when nothing can be stored now. */
  checkWritable(): Promise<void>;
}
