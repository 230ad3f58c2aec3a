/**
 * Ids to text for byte-level vocabularies, where each letter of a token stands for one byte. The library's own
 * decoder searches all added tokens for every token, which is slow where there are hundreds.
 */

export class ByteLevelDecoder {
  readonly #tokenOf: (id: number) => string | undefined;
  readonly #bytes = new Map<number, Uint8Array | null>();
  readonly #byteOf: ReadonlyMap<string, number> = byteLetters();
  readonly #encoder = new TextEncoder();

  constructor(tokenOf: (id: number) => string | undefined) {
    this.#tokenOf = tokenOf;
  }

  decode(ids: Iterable<number>): string {
    const parts: Uint8Array[] = [];
    for (const id of ids) parts.push(this.#bytesOf(id) ?? this.#encoder.encode(`<${id}?>`));
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(parts));
  }

  /** Null for ids outside the vocabulary. */
  #bytesOf(id: number): Uint8Array | null {
    const known = this.#bytes.get(id);
    if (known !== undefined) return known;
    const token = this.#tokenOf(id);
    const bytes = token === undefined ? null : this.#tokenBytes(token);
    // Ids of no vocabulary are endless, those of one are not.
    if (bytes !== null) this.#bytes.set(id, bytes);
    return bytes;
  }

  /** Added tokens, too, are bytes if all their letters stand for some, and text as it is otherwise. */
  #tokenBytes(token: string): Uint8Array {
    const bytes = Array.from(token, (letter) => this.#byteOf.get(letter));
    const isBytes = bytes.every((byte) => byte !== undefined);
    return isBytes ? Uint8Array.from(bytes) : this.#encoder.encode(token);
  }
}

/** Bytes that print stand for themselves; the others follow from U+0100 on. */
function byteLetters(): Map<string, number> {
  const letters = new Map<string, number>();
  let others = 0x100;
  for (let byte = 0; byte < 256; byte += 1) {
    const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    letters.set(String.fromCharCode(prints ? byte : others), byte);
    if (!prints) others += 1;
  }
  return letters;
}
