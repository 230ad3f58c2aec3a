/**
 * Keeps a second process out of a run directory. The lock is the kernel's, held through SQLite: it goes with the
 * process however that ends, so nothing is ever left to be cleared away by hand.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LachesisError } from "../contracts/errors.ts";
import { unwritable } from "./jsonl-file.ts";

/** Throws RUN_LOCKED where another process holds it, and OUTPUT_UNWRITABLE. Disposal lets go of it. */
export function lockRun(directory: string): Disposable {
  const path = join(directory, ".lock");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    if (error instanceof Error && /locked|busy/i.test(error.message)) {
      throw new LachesisError("RUN_LOCKED", `${directory}: another process works in this run directory.`, {
        hint: "Wait until it has ended, or stop it.",
        cause: error,
      });
    }
    throw unwritable(path, error);
  }
  const held = database;
  return { [Symbol.dispose]: () => held.close() };
}
