/**
 * An append-only JSONL file. Appends go to disk in the order of the calls; a line is there whole or not at
 * all: what a failed write left behind is cut off again. `close` waits for the appends and for the disk.
 */

import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { LachesisError } from "../contracts/errors.ts";
import { makeDirectory } from "./make-directory.ts";

export class JsonlFile implements AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;
  #length = 0;
  #lines = 0;
  #tail: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /**
   * Creates the file and its parent directories; null when something of that name exists. Rejects with
   * OUTPUT_UNWRITABLE.
   */
  static async create(path: string): Promise<JsonlFile | null> {
    await makeParent(path);
    try {
      return new JsonlFile(path, await open(path, "wx"));
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") return null;
      throw unwritable(path, error);
    }
  }

  /** Creates the file, or empties the one that is there. Rejects with OUTPUT_UNWRITABLE. */
  static async overwrite(path: string): Promise<JsonlFile> {
    await makeParent(path);
    try {
      return new JsonlFile(path, await open(path, "w"));
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  /**
   * Opens the file to add lines to it; makes it where it is missing. `lines`: how many it has. The caller has cut a
   * torn last line off. Rejects with OUTPUT_UNWRITABLE.
   */
  static async extend(path: string, { lines }: { lines: number }): Promise<JsonlFile> {
    await makeParent(path);
    try {
      const handle = await open(path, "a");
      const file = new JsonlFile(path, handle);
      file.#length = (await handle.stat()).size;
      file.#lines = lines;
      return file;
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  /** Lines that are wholly in the file. */
  get lines(): number {
    return this.#lines;
  }

  /** Resolves once the line is written. Rejects with OUTPUT_UNWRITABLE; later appends may still succeed. */
  append(value: unknown): Promise<void> {
    if (this.#closing !== undefined) {
      return Promise.reject(
        new LachesisError("INTERNAL", `${this.path}: a line came after the file's close`),
      );
    }
    const line = Buffer.from(`${JSON.stringify(value)}\n`);
    const written = this.#tail.then(() => this.#write(line));
    this.#tail = written.catch(() => undefined);
    return written;
  }

  async #write(line: Buffer): Promise<void> {
    try {
      for (let offset = 0; offset < line.length; ) {
        const { bytesWritten } = await this.#handle.write(
          line,
          offset,
          line.length - offset,
          this.#length + offset,
        );
        offset += bytesWritten;
      }
    } catch (error) {
      await this.#handle.truncate(this.#length).catch(() => undefined);
      throw unwritable(this.path, error);
    }
    this.#length += line.length;
    this.#lines += 1;
  }

  /** Rejects with OUTPUT_UNWRITABLE when the disk did not take everything. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#tail.then(() => this.#finish());
    return this.#closing;
  }

  async #finish(): Promise<void> {
    try {
      // A pipe or a device has nothing to sync.
      if ((await this.#handle.stat()).isFile()) await this.#handle.sync();
    } catch (error) {
      throw unwritable(this.path, error);
    } finally {
      await this.#handle.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function makeParent(path: string): Promise<void> {
  try {
    await makeDirectory(dirname(path));
  } catch (error) {
    throw unwritable(path, error);
  }
}

export function unwritable(path: string, cause: unknown): LachesisError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LachesisError("OUTPUT_UNWRITABLE", `Can't write ${path}: ${reason}`, {
    hint: "Choose a path that this user may write to, on a disk with space left.",
    cause,
  });
}
