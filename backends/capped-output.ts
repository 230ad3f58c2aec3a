/**
 * Keeps the head and the tail of a byte stream within a limit and counts what lies between. Memory stays
 * within the limit plus one chunk, however much flows through.
 */
export class CappedOutput {
  readonly #headLimitBytes: number;
  readonly #tailLimitBytes: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #droppedBytes = 0;

  /** The head gets the odd byte: what is kept of an overlong stream was cut at `Math.ceil(length / 2)`. */
  constructor(limitBytes: number) {
    this.#headLimitBytes = Math.ceil(limitBytes / 2);
    this.#tailLimitBytes = Math.floor(limitBytes / 2);
  }

  write(chunk: Buffer): void {
    const headRoomBytes = this.#headLimitBytes - this.#headBytes;
    if (headRoomBytes > 0) {
      const part = chunk.subarray(0, headRoomBytes);
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    if (chunk.length > headRoomBytes) this.#writeTail(chunk.subarray(Math.max(headRoomBytes, 0)));
  }

  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  bytes(): Buffer {
    return Buffer.concat([...this.#head, ...this.#tail]);
  }

  #writeTail(chunk: Buffer): void {
    this.#tail.push(chunk);
    this.#tailBytes += chunk.length;
    let excessBytes = this.#tailBytes - this.#tailLimitBytes;
    if (excessBytes <= 0) return;

    this.#droppedBytes += excessBytes;
    this.#tailBytes = this.#tailLimitBytes;
    let wholeChunks = 0;
    for (const old of this.#tail) {
      if (old.length > excessBytes) break;
      excessBytes -= old.length;
      wholeChunks += 1;
    }
    this.#tail = this.#tail.slice(wholeChunks);
    const first = this.#tail[0];
    if (first !== undefined && excessBytes > 0) this.#tail[0] = first.subarray(excessBytes);
  }
}
