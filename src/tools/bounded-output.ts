/** Collects a byte stream of any length in bounded memory: its head, its tail, and how much lay between. */

export class BoundedOutput {
  readonly #headLimitBytes: number;
  readonly #tailLimitBytes: number;
  readonly #head: Uint8Array[] = [];
  #headBytes = 0;
  #tail: Uint8Array[] = [];
  #tailBytes = 0;
  #totalBytes = 0;

  constructor(limitBytes: number) {
    this.#headLimitBytes = Math.floor(limitBytes / 2);
    this.#tailLimitBytes = limitBytes - this.#headLimitBytes;
  }

  push(chunk: Uint8Array): void {
    this.#totalBytes += chunk.length;
    const headPart = chunk.subarray(0, this.#headLimitBytes - this.#headBytes);
    if (headPart.length > 0) {
      this.#head.push(headPart);
      this.#headBytes += headPart.length;
    }
    const rest = chunk.subarray(headPart.length);
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tailBytes += rest.length;
    // Compact rarely: a flood of small chunks must not cost a copy each.
    if (this.#tailBytes > 2 * this.#tailLimitBytes || this.#tail.length > 4096) this.#compactTail();
  }

  /** What was kept, as text, and the number of bytes left out between its head and its tail. */
  read(): { text: string; droppedBytes: number } {
    this.#compactTail();
    const kept = Buffer.concat([...this.#head, ...this.#tail]);
    return { text: kept.toString("utf8"), droppedBytes: this.#totalBytes - kept.length };
  }

  #compactTail(): void {
    const joined = Buffer.concat(this.#tail);
    this.#tail = [Buffer.from(joined.subarray(Math.max(0, joined.length - this.#tailLimitBytes)))];
    this.#tailBytes = this.#tail[0]?.length ?? 0;
  }
}
