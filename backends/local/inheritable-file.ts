/**
 * Text that child processes get as an open descriptor: it shows on no command line, nobody has to feed a pipe,
 * and no name of it is left in the file system, whatever happens to this process.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class InheritableFile implements Disposable {
  readonly #descriptor: number;
  #isClosed = false;

  constructor(content: string | Uint8Array) {
    const directory = mkdtempSync(join(tmpdir(), "lachesis-file-"));
    try {
      const path = join(directory, "content");
      writeFileSync(path, content, { mode: 0o600 });
      this.#descriptor = openSync(path, "r");
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  /** A read-only descriptor of its own, at the beginning; the caller closes it. */
  open(): number {
    return openSync(`/proc/self/fd/${this.#descriptor}`, "r");
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#descriptor);
  }
}
