/**
 * A place in JSON bytes that are being copied, and where they are copied to. The functions of copy-numbers.ts
 * and copy-values.ts move it forward.
 *
 * They take what clients commonly send. Anything else, broken or merely unusual, makes them answer false (or
 * FAILED): nothing is decided then, and the text is parsed carefully instead (parse-json.ts). They must never
 * accept what the careful way rejects, or write it differently; a property test holds the two together.
 */
import { GroupKernel } from "../kernel/group-kernel.ts";
import { ByteWriter } from "./byte-writer.ts";

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_LIST = 0x5b;
export const CLOSE_LIST = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const SPACE = 0x20;
/** What a read past the end gives: JSON has no such byte. */
export const END = 0;
export const FAILED = -1;

const SCRATCH_KEPT_BYTES = 64 * 1024 * 1024;

export class JsonCursor {
  input: Buffer = Buffer.alloc(0);
  at = 0;
  /** Set when copyIntegers meets a number below zero; whoever wants to know clears it before. */
  sawNegative = false;
  readonly out = new ByteWriter();
  readonly #kernel: GroupKernel | undefined;
  /** The kernel's memory for what is written. */
  #output: Buffer | undefined;

  /** `kernel`: the compiled loops; null = do without. */
  constructor(kernel: GroupKernel | null = new GroupKernel()) {
    this.#kernel = kernel ?? undefined;
  }

  begin(input: Buffer): void {
    const loaded = this.#kernel?.load(input);
    this.#output = loaded?.output;
    this.input = loaded?.input ?? input;
    this.at = 0;
    if (loaded === undefined) this.out.clear(SCRATCH_KEPT_BYTES);
    else this.out.use(loaded.output);
  }

  /** The compiled loops, if they can be used from here on. */
  get kernel(): GroupKernel | undefined {
    const { buffer, length } = this.out;
    const isInKernel = buffer === this.#output;
    // A number may take twice its place; all of them never more than this.
    const hasRoom = buffer.length - length >= 2 * (this.input.length - this.at);
    return isInKernel && hasRoom ? this.#kernel : undefined;
  }

  /** The next byte that is not white space; it stays next. */
  peek(): number {
    const input = this.input;
    let at = this.at;
    let byte = input[at] ?? END;
    while (byte <= SPACE && isWhitespace(byte)) byte = input[++at] ?? END;
    this.at = at;
    return byte;
  }

  /** Consumes the byte if it is next. */
  take(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.at++;
    return true;
  }

  /** Consumes and copies the byte if it is next. */
  copyByte(byte: number): boolean {
    if (!this.take(byte)) return false;
    this.out.byte(byte);
    return true;
  }

  /** True when nothing but white space is left. */
  atEnd(): boolean {
    this.peek();
    return this.at === this.input.length;
  }

  /** `[…]` of whatever `copyItem` copies; the number of items, or FAILED. */
  copyList(copyItem: (cursor: JsonCursor) => boolean): number {
    if (!this.copyByte(OPEN_LIST)) return FAILED;
    if (this.copyByte(CLOSE_LIST)) return 0;
    for (let count = 1; ; count++) {
      if (!copyItem(this)) return FAILED;
      if (this.copyByte(CLOSE_LIST)) return count;
      if (!this.copyByte(COMMA)) return FAILED;
    }
  }
}

export function isWhitespace(byte: number): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
