/** Reading rows of a store file: values of the right kind, or STORE_CORRUPT. */
import type { SQLOutputValue } from "node:sqlite";
import { LachesisError } from "../../contracts/errors.ts";

export type Row = Record<string, SQLOutputValue>;

export function numberIn(row: Row | undefined, column: string): number {
  const value = row?.[column];
  if (typeof value !== "number")
    throw new LachesisError("STORE_CORRUPT", `no number in the column ${column}`);
  return value;
}

/** SQLite's driver gives each blob memory of its own, which may move to another thread. */
export function bytesIn(row: Row, column: string): Uint8Array<ArrayBuffer> {
  const value = row[column];
  if (value instanceof Uint8Array && value.buffer instanceof ArrayBuffer) return new Uint8Array(value.buffer);
  throw new LachesisError("STORE_CORRUPT", `no bytes in the column ${column}`);
}
