/**
 * Keeps the end of a byte stream: at least the last `limitBytes`, never more than twice as many. Old chunks go as a
 * whole, so that a drizzle of tiny ones costs no more than a flood.
 */
export class RollingOutput {
  readonly #limitBytes: number;
  #older: Buffer = Buffer.alloc(0);
  #newer: Buffer;
  #newerBytes = 0;
  #totalBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#newer = Buffer.allocUnsafe(Math.min(4096, limitBytes));
  }

  /** Bytes that were written and are no longer kept. */
  get droppedBytes(): number {
    return (
      this.#totalBytes - Math.min(this.#totalBytes, this.#limitBytes, this.#older.length + this.#newerBytes)
    );
  }

  write(chunk: Uint8Array): void {
    this.#totalBytes += chunk.length;
    let rest = chunk.subarray(Math.max(0, chunk.length - this.#limitBytes));
    while (rest.length > 0) {
      if (this.#newerBytes === this.#limitBytes) this.#turn();
      const part = rest.subarray(0, this.#limitBytes - this.#newerBytes);
      this.#reserve(this.#newerBytes + part.length);
      this.#newer.set(part, this.#newerBytes);
      this.#newerBytes += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** The last `limitBytes` of what was written. */
  bytes(): Buffer {
    const kept = Buffer.concat([this.#older, this.#newer.subarray(0, this.#newerBytes)]);
    return kept.subarray(Math.max(0, kept.length - this.#limitBytes));
  }

  #turn(): void {
    this.#older = this.#newer;
    this.#newer = Buffer.allocUnsafe(this.#limitBytes);
    this.#newerBytes = 0;
  }

  #reserve(neededBytes: number): void {
    if (neededBytes <= this.#newer.length) return;
    const grown = Buffer.allocUnsafe(
      Math.min(this.#limitBytes, Math.max(neededBytes, this.#newer.length * 2)),
    );
    this.#newer.copy(grown, 0, 0, this.#newerBytes);
    this.#newer = grown;
  }
}
