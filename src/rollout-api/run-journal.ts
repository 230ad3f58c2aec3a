/**
 * What a durable store hears of a run's changes, in their order and at the moment they happen in memory. What
 * is small and changes often is only named; the store reads it when it writes (see RunState.row).
 */
import type { Batch, Lease, Settlement } from "./batch-shelf.ts";
import type { GroupRecord } from "./group-queue.ts";
import type { Placement, Registration, RunTotals } from "./group-store.ts";
import type { NumberedName } from "./recent-names.ts";
import type { EnvRecord } from "./run-envs.ts";
import type { PassedOver } from "./waiting-groups.ts";

export interface RunJournal<Group extends GroupRecord> {
  /** Something in the run's row. */
  runChanged(): void;
  envChanged(env: EnvRecord): void;
  groupAdded(group: Group, body: Buffer): void;
  /** It went from the buffer to the queue. */
  groupQueued(group: Group): void;
  groupNamed(name: NumberedName<Placement>): void;
  batchFormed(batch: Batch<Group>): void;
  /** A lease with an expiry; others end with the process. */
  batchLeased(lease: Lease<Group>): void;
  /** A lease with an expiry ended, and its batch waits again. */
  batchReturned(batch: Batch<Group>): void;
  batchTaken(batch: Batch<Group>): void;
  leaseSettled(settlement: NumberedName<Settlement>): void;
  /** All groups, environments, batches and names are gone; the body of the latest group stays. */
  cleared(latestGroupId: number | null): void;
}

/** The part of a run's state that is a handful of values. */
export type RunRow = {
  registration: Registration | null;
  /** A trainer has registered at some time. */
  wasOpened: boolean;
  started: boolean;
  currentStep: number;
  maxTokenLength: bigint;
  nextBatchId: number;
  /** The group that was queued last. */
  latestGroupId: number | null;
  passedOver: PassedOver;
  totals: RunTotals;
};

/** A run as a store found it. */
export type RunSnapshot<Group extends GroupRecord> = {
  row: RunRow;
  envs: readonly Omit<EnvRecord, "lastSeenAt">[];
  /** Those in no batch, in order of arrival. */
  groups: readonly Group[];
  /** Waiting or leased, in the order of forming. */
  batches: readonly Batch<Group>[];
  leases: readonly Lease<Group>[];
  settlements: readonly NumberedName<Settlement>[];
  groupNames: readonly NumberedName<Placement>[];
};

/** For stores that keep nothing. */
export const silentJournal: RunJournal<GroupRecord> = {
  runChanged: () => undefined,
  envChanged: () => undefined,
  groupAdded: () => undefined,
  groupQueued: () => undefined,
  groupNamed: () => undefined,
  batchFormed: () => undefined,
  batchLeased: () => undefined,
  batchReturned: () => undefined,
  batchTaken: () => undefined,
  leaseSettled: () => undefined,
  cleared: () => undefined,
};
