/** Bytes gathered one after another in one growing buffer, reused between uses. */
const FIRST_BYTES = 64 * 1024;
/** Below this a loop beats the setting-up of a block copy. */
const SHORT_BYTES = 48;
const SPACE = 0x20;

export class ByteWriter {
  /** Written up to `length`; replaced when it grows, so never keep it across a `reserve`. */
  buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  length = 0;

  /** Makes room for `bytes` more and returns the buffer that has it. */
  reserve(bytes: number): Buffer {
    const needed = this.length + bytes;
    if (needed > this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
      this.buffer.copy(larger, 0, 0, this.length);
      this.buffer = larger;
    }
    return this.buffer;
  }

  byte(value: number): void {
    this.reserve(1)[this.length++] = value;
  }

  /** Appends `source[start, end)`. */
  copy(source: Buffer, start: number, end: number): void {
    const out = this.reserve(end - start);
    let to = this.length;
    if (end - start < SHORT_BYTES) for (let at = start; at < end; at++) out[to++] = source[at] ?? 0;
    else source.copy(out, to, start, end);
    this.length += end - start;
  }

  /** The same for text that holds no spaces but such as may go; `hasSpace` = there may be some. */
  copyText(source: Buffer, start: number, end: number, hasSpace: boolean): void {
    if (!hasSpace) {
      this.copy(source, start, end);
      return;
    }
    const out = this.reserve(end - start);
    let to = this.length;
    for (let at = start; at < end; at++) {
      const byte = source[at] ?? SPACE;
      out[to] = byte;
      // A branch here would be guessed wrong at every space.
      to += (SPACE - byte) >>> 31;
    }
    this.length = to;
  }

  text(value: string): void {
    this.length += this.reserve(value.length * 3).write(value, this.length, "utf8");
  }

  /** Forgets what was written, and writes there from now on: as long as it has room. */
  use(buffer: Buffer): void {
    this.length = 0;
    this.buffer = buffer;
  }

  /** Forgets what was written; a buffer grown beyond `keepBytes` is given back. */
  clear(keepBytes: number): void {
    this.length = 0;
    if (this.buffer.length > keepBytes) this.buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }
}
