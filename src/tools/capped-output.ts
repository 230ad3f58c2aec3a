/**
 * Keeps the head and the tail of a byte stream within a limit and counts what lies between. The bytes are
 * copied into one buffer that never grows beyond the limit, so neither a flood nor a drizzle of tiny chunks
 * costs more.
 */
export class CappedOutput {
  readonly #limitBytes: number;
  readonly #headBytes: number;
  /** The head, and behind it the tail; once it is full, the tail is a ring whose oldest byte is at `#oldest`. */
  #buffer = Buffer.alloc(0);
  #usedBytes = 0;
  #oldest: number;
  #droppedBytes = 0;

  /** The head gets the odd byte: what is kept of an overlong stream was cut at `Math.ceil(length / 2)`. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#headBytes = Math.ceil(limitBytes / 2);
    this.#oldest = this.#headBytes;
  }

  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  write(chunk: Uint8Array): void {
    const fitting = chunk.subarray(0, this.#limitBytes - this.#usedBytes);
    if (fitting.length > 0) this.#append(fitting);
    if (fitting.length < chunk.length) this.#overwriteTail(chunk.subarray(fitting.length));
  }

  bytes(): Buffer {
    const head = this.#buffer.subarray(0, this.#headBytes);
    const older = this.#buffer.subarray(this.#oldest, this.#usedBytes);
    const newer = this.#buffer.subarray(this.#headBytes, this.#oldest);
    return this.#droppedBytes === 0
      ? this.#buffer.subarray(0, this.#usedBytes)
      : Buffer.concat([head, older, newer]);
  }

  #append(bytes: Uint8Array): void {
    const neededBytes = this.#usedBytes + bytes.length;
    if (neededBytes > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(this.#limitBytes, Math.max(neededBytes, this.#buffer.length * 2)),
      );
      this.#buffer.copy(grown, 0, 0, this.#usedBytes);
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#usedBytes);
    this.#usedBytes = neededBytes;
  }

  #overwriteTail(bytes: Uint8Array): void {
    this.#droppedBytes += bytes.length;
    const tailBytes = this.#limitBytes - this.#headBytes;
    const lasting = bytes.subarray(Math.max(0, bytes.length - tailBytes));
    const untilEnd = lasting.subarray(0, this.#limitBytes - this.#oldest);
    this.#buffer.set(untilEnd, this.#oldest);
    this.#buffer.set(lasting.subarray(untilEnd.length), this.#headBytes);
    this.#oldest += lasting.length;
    if (this.#oldest >= this.#limitBytes) this.#oldest -= tailBytes;
  }
}
