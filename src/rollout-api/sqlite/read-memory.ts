/**
 * Memory that bodies are read into, shared with the thread that reads and used again and again. Memory of their
 * own for every batch would be counted by V8 in both threads, and made it collect garbage for half of the
 * time of a drain.
 */

/** Free pieces that are kept, and how large they may be together. */
const MOST_FREE = 4;
const MOST_FREE_BYTES = 64 * 1024 * 1024;
const SMALLEST_BYTES = 64 * 1024;

export class ReadMemory {
  readonly #free: SharedArrayBuffer[] = [];

  /** So many bytes or more, with anything in them. */
  take(bytes: number): SharedArrayBuffer {
    const fitting = this.#free.findIndex(({ byteLength }) => byteLength >= bytes);
    const [found] = fitting === -1 ? [] : this.#free.splice(fitting, 1);
    return found ?? new SharedArrayBuffer(Math.max(SMALLEST_BYTES, 2 ** Math.ceil(Math.log2(bytes))));
  }

  /** Nobody reads from it any more. */
  give(memory: SharedArrayBuffer): void {
    const bytes = this.#free.reduce((sum, { byteLength }) => sum + byteLength, memory.byteLength);
    if (bytes > MOST_FREE_BYTES) return;
    this.#free.push(memory);
    // The largest can do for all others.
    this.#free.sort((a, b) => a.byteLength - b.byteLength);
    if (this.#free.length > MOST_FREE) this.#free.shift();
  }
}
