/**
 * A log on a disk that may be full. Each line is written at once. One that can't be written is left out, and
 * the next that can be is preceded by one that says how many: a log must never fail what it tells of.
 */
import { closeSync, openSync, writeSync } from "node:fs";

const NEWLINE = 0x0a;
/** pino's number of "warn". */
const WARN = 40;

export class LogFile implements Disposable {
  /** null once it is closed: its number may be another file's by then. */
  #file: number | null;
  readonly #write: typeof writeSync;
  #leftOut = 0;
  /** The disk took a part of a line. */
  #isTorn = false;

  /** Appends to what is there. `write` is for tests. */
  constructor(path: string, write: typeof writeSync = writeSync) {
    this.#file = openSync(path, "a");
    this.#write = write;
  }

  /** One line, its newline included. */
  write(line: string): void {
    if (this.#leftOut > 0 && !this.#append(leftOutLine(this.#leftOut))) this.#leftOut++;
    else this.#leftOut = this.#append(line) ? 0 : 1;
  }

  /** False = not all of it could be written. */
  #append(line: string): boolean {
    const file = this.#file;
    if (file === null) return false;
    let rest = Buffer.from(this.#isTorn ? `\n${line}` : line);
    try {
      while (rest.length > 0) {
        const written = this.#write(file, rest);
        if (written > 0) this.#isTorn = rest[written - 1] !== NEWLINE;
        rest = rest.subarray(written);
      }
      return true;
    } catch {
      return false;
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}

function leftOutLine(lines: number): string {
  const msg = "lines could not be written here: see that the disk has space and works";
  return `${JSON.stringify({ level: WARN, time: Date.now(), event: "log-lines-left-out", lines, msg })}\n`;
}
