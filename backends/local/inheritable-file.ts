/**
 * Text that child processes get as an open descriptor: it shows on no command line, nobody has to feed a pipe,
 * and no name of it is in the file system.
 */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { openUnnamedFile } from "./unnamed-file.ts";

export class InheritableFile implements Disposable {
  readonly #descriptor = openUnnamedFile();
  #isClosed = false;

  constructor(content: string | Uint8Array) {
    try {
      writeFileSync(this.#descriptor, content);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
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
