/** What crosses between the store and its thread. Answers come in the order of the requests. */
import type { RunChanges } from "./run-changes.ts";
import type { SyncMode } from "./store-file.ts";
import type { StoredTables } from "./stored-tables.ts";

export type WorkerSettings = { path: string; sync: SyncMode };

export type CommitRequest =
  /** Reads everything; the first message, and again after a failed write. */
  | { kind: "load" }
  /** Writes in one transaction, then reads bodies: a list of ids for each reader. */
  | { kind: "commit"; changes: RunChanges[]; reads: number[][] }
  | { kind: "close" };

export type CommitAnswer =
  | { kind: "loaded"; tables: StoredTables }
  /** null = one of the bodies is not there. */
  | { kind: "committed"; reads: (Uint8Array<ArrayBuffer>[] | null)[] }
  | { kind: "closed" }
  | { kind: "failed"; code: string; message: string; hint: string | undefined };
