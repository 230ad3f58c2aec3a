/** What crosses between the store and its thread. Answers come in the order of the requests. */
import type { RunChanges } from "./run-changes.ts";
import type { StoredTables } from "./stored-tables.ts";

export type SyncMode = "normal" | "full";

export type WorkerSettings = { path: string; sync: SyncMode };

export type CommitRequest =
  /** Reads everything; the first message, and again after a failed write. */
  | { kind: "load" }
  /** Writes in one transaction, then reads bodies: a list of ids for each reader. */
  | { kind: "commit"; changes: RunChanges[]; reads: number[][] }
  | { kind: "close" };

export type CommitAnswer =
  /** `lostGroups`: groups that a power cut took, which are not in the tables any more. */
  | { kind: "loaded"; tables: StoredTables; lostGroups: number }
  | { kind: "committed"; reads: BodiesRead[] }
  | { kind: "closed" }
  | ThreadFailure;

/** null = one of the bodies is not there. Bodies may have their memory in common. */
export type BodiesRead = Uint8Array<ArrayBuffer>[] | null | ThreadFailure;

export type ThreadFailure = { kind: "failed"; code: string; message: string; hint: string | undefined };
