/** What crosses between the store and its thread. Answers come in the order of the requests. */
import type { RunChanges } from "./run-changes.ts";
import type { StoredTables } from "./stored-tables.ts";

export type SyncMode = "normal" | "full";

export type WorkerSettings = { path: string; sync: SyncMode };

export type CommitRequest =
  /** Reads everything; the first message, and again after a failed write. */
  | { kind: "load" }
  /** Writes in one transaction, then reads bodies. */
  | { kind: "commit"; changes: RunChanges[]; reads: ReadRequest[] }
  | { kind: "close" };

export type CommitAnswer =
  /** `lostGroups`: groups that a power cut took, which are not in the tables any more. */
  | { kind: "loaded"; tables: StoredTables; lostGroups: number }
  | { kind: "committed"; reads: BodiesRead[] }
  | { kind: "closed" }
  | ThreadFailure;

/** The bodies of these groups, one after the other into memory that has room for them. */
export type ReadRequest = { ids: number[]; memory: SharedArrayBuffer };

/** The bodies' lengths; null = one of them is not there. */
export type BodiesRead = number[] | null | ThreadFailure;

export type ThreadFailure = { kind: "failed"; code: string; message: string; hint: string | undefined };
