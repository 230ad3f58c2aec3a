/** Bytes in pieces, as they come off a socket: putting them together is left to whoever reads them. */

/** Pieces below this are gathered: a client may send a body byte by byte. */
const SMALL_BYTES = 4 * 1024;
const GATHERED_BYTES = 64 * 1024;

export class ByteChunks {
  readonly #chunks: Buffer[] = [];
  #gathered = Buffer.alloc(0);
  #gatheredLength = 0;
  #length = 0;

  /** Bytes in all. */
  get length(): number {
    return this.#length;
  }

  /** Keeps the chunk, which must not change any more. */
  add(chunk: Buffer): void {
    this.#length += chunk.length;
    if (chunk.length >= SMALL_BYTES) {
      this.#flush();
      this.#chunks.push(chunk);
      return;
    }
    if (this.#gatheredLength + chunk.length > this.#gathered.length) {
      this.#flush();
      this.#gathered = Buffer.allocUnsafeSlow(GATHERED_BYTES);
    }
    this.#gatheredLength += chunk.copy(this.#gathered, this.#gatheredLength);
  }

  /** All pieces in order. */
  list(): readonly Buffer[] {
    this.#flush();
    return this.#chunks;
  }

  #flush(): void {
    if (this.#gatheredLength > 0) {
      const exact = Buffer.allocUnsafeSlow(this.#gatheredLength);
      this.#gathered.copy(exact, 0, 0, this.#gatheredLength);
      this.#chunks.push(exact);
    }
    this.#gatheredLength = 0;
  }
}

/** The pieces as one; a single piece as it is. */
export function joined(chunks: readonly Buffer[]): Buffer {
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
}
