/** A file without a name that a child process writes into: unlike a pipe, it doesn't break when its reader is killed. */

import { randomBytes } from "node:crypto";
import { closeSync, openSync, readSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const limitBytes = 4_096;

export class ReportFile implements Disposable {
  /** For the child's stdio. */
  readonly descriptor: number;
  #isClosed = false;

  constructor() {
    const path = join(tmpdir(), `lachesis-report-${randomBytes(9).toString("hex")}`);
    this.descriptor = openSync(path, "wx+", 0o600);
    unlinkSync(path);
  }

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
