/** Words what SQLite says, with a stable code and the way out. */
import { LachesisError } from "../../contracts/errors.ts";

/** SQLite's primary result codes. */
const BUSY = 5;
const LOCKED = 6;
const CORRUPT = 11;
const FULL = 13;
const NOT_A_DATABASE = 26;

/** Why a file could not be opened as a store. */
export function openError(error: unknown, path: string): LachesisError {
  if (error instanceof LachesisError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  switch (resultCodeOf(error)) {
    case BUSY:
    case LOCKED:
      return new LachesisError("STORE_LOCKED", `the store ${path} is open in another process`, {
        hint: "Stop the other run-api, or give this one another --store.",
        cause: error,
      });
    case CORRUPT:
    case NOT_A_DATABASE:
      return new LachesisError("STORE_CORRUPT", `${path} is no store, or damaged: ${reason}`, {
        hint: "Give another --store, or put a copy back; the file was left as it is.",
        cause: error,
      });
    case FULL:
      return new LachesisError("STORE_OPEN_FAILED", `can't open the store ${path}: ${reason}`, {
        hint: "Free some space on its disk, and start again: what was acknowledged is there.",
        cause: error,
      });
    default:
      return new LachesisError("STORE_OPEN_FAILED", `can't open the store ${path}: ${reason}`, {
        hint: "The directory must exist and be writable, on a disk of this machine.",
        cause: error,
      });
  }
}

/** Why a transaction failed; nothing of it was stored. */
export function writeError(error: unknown): LachesisError {
  if (error instanceof LachesisError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new LachesisError("STORE_WRITE_FAILED", `the store could not be read or written: ${reason}`, {
    hint: "See that the disk has space and works.",
    cause: error,
    retryable: true,
  });
}

function resultCodeOf(error: unknown): number | undefined {
  const code: unknown = error instanceof Error ? Reflect.get(error, "errcode") : undefined;
  // The lowest byte is the primary code, the rest says more.
  return typeof code === "number" ? code & 0xff : undefined;
}
