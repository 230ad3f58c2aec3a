/** A file without a name that a child process writes into: unlike a pipe, it doesn't break when its reader is killed. */
import { closeSync, readSync } from "node:fs";
import { openUnnamedFile } from "./unnamed-file.ts";

const limitBytes = 4_096;

export class ReportFile implements Disposable {
  /** For the child's stdio. */
  readonly descriptor = openUnnamedFile();
  #isClosed = false;

  /** What has been written so far, up to 4 KiB. */
  read(): string {
    const buffer = Buffer.alloc(limitBytes);
    const count = readSync(this.descriptor, buffer, 0, limitBytes, 0);
    return buffer.toString("utf8", 0, count);
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.descriptor);
  }
}
