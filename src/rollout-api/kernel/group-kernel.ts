/**
 * The compiled loops of kernel.as with memory of their own: bytes go in, and what the loops make of them comes
 * out, without a copy between them. One for each thread that needs one.
 */
import { crc32 } from "node:zlib";
import { kernelCode } from "./kernel-code.ts";

/** Below are answers, tables and constants. */
const INPUT = 45_056;
/** So far beyond what counts the loops read and write. */
const PADDING = 320;
const PAGE_BYTES = 65_536;
/** The memory never shrinks: what is larger is left to others. */
const LARGEST_INPUT = 8 * 1024 * 1024;

/** Room for numbers that come out longer than they went in: a digit may become three. */
function outputBytes(inputBytes: number): number {
  return 2 * inputBytes + PAGE_BYTES;
}

type Functions = {
  copyIntegers: (at: number, out: number) => number;
  copyFloats: (at: number, out: number) => number;
  checksum: (at: number, length: number) => number;
  inflate: (from: number, end: number, out: number, outEnd: number) => number;
};

const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0]);
const GZIP_HEADER_BYTES = 10;
const GZIP_TRAILER_BYTES = 8;

/** Where the output for input of so many bytes begins. */
function outputOf(length: number): number {
  return INPUT + length + PADDING;
}

export type LoadedInput = { input: Buffer; output: Buffer };

export class GroupKernel {
  readonly #memory = new WebAssembly.Memory({ initial: 8 });
  readonly #functions: Functions;
  #answers = new Int32Array(this.#memory.buffer, 0, 4);
  #bytes = Buffer.from(this.#memory.buffer);
  #output = 0;

  constructor() {
    const module = new WebAssembly.Module(Buffer.from(kernelCode, "base64"));
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    this.#functions = {
      copyIntegers: loopOf(exports, "copyIntegers"),
      copyFloats: loopOf(exports, "copyFloats"),
      checksum: loopOf(exports, "checksum"),
      inflate: loopOf(exports, "inflate"),
    };
  }

  /** Room for input of so many bytes; undefined = too many. */
  room(length: number): Buffer | undefined {
    if (length > LARGEST_INPUT) return undefined;
    this.#reserve(outputOf(length) + outputBytes(length) + PADDING);
    return this.#bytes.subarray(INPUT, INPUT + length);
  }

  /**
   * Inflates gzip of so many bytes into that room. undefined for whatever is not plain gzip of one member that
   * keeps all its promises: zlib is to judge it.
   */
  inflate(zipped: Uint8Array, length: number): Buffer | undefined {
    const header = Buffer.from(zipped.buffer, zipped.byteOffset, Math.min(GZIP_HEADER.length, zipped.length));
    const end = zipped.length - GZIP_TRAILER_BYTES;
    if (!header.equals(GZIP_HEADER) || end < GZIP_HEADER_BYTES || length > LARGEST_INPUT) return undefined;
    const from = outputOf(length);
    this.#reserve(from + Math.max(zipped.length, outputBytes(length)) + PADDING);
    this.#bytes.set(zipped, from);
    const { inflate } = this.#functions;
    const stopped = inflate(from + GZIP_HEADER_BYTES, from + end, INPUT, INPUT + length);
    const inflated = this.#bytes.subarray(INPUT, INPUT + length);
    const isWhole =
      stopped === from + end &&
      this.#bytes.readUInt32LE(stopped) === crc32(inflated) &&
      this.#bytes.readUInt32LE(stopped + 4) === length;
    return isWhole ? inflated : undefined;
  }

  /**
   * Takes bytes in, unless they are what `room` or `inflate` gave; answers where they now are and where to write,
   * until the next call. undefined = too many.
   */
  load(bytes: Uint8Array): LoadedInput | undefined {
    const { length } = bytes;
    const isHere = bytes.buffer === this.#memory.buffer && bytes.byteOffset === INPUT;
    const input = this.room(length);
    if (input === undefined) return undefined;
    if (!isHere) input.set(bytes);
    const output = outputOf(length);
    // What earlier input left behind must not look like its end.
    this.#bytes.fill(0, INPUT + length, output);
    this.#output = output;
    return { input, output: this.#bytes.subarray(output, output + outputBytes(length)) };
  }

  /**
   * Copies numbers and the commas between them from one place of the input to one of the output, as long as
   * they are in their usual spelling; see kernel.as. The answer is good until the next call.
   */
  copyNumbers(kind: "integers" | "floats", at: number, out: number): NumbersCopied {
    const copy = kind === "integers" ? this.#functions.copyIntegers : this.#functions.copyFloats;
    const stopped = copy(INPUT + at, this.#output + out);
    this.#copied.isComplete = stopped === 1;
    this.#copied.at = (this.#answers[0] ?? 0) - INPUT;
    this.#copied.out = (this.#answers[1] ?? 0) - this.#output;
    this.#copied.commas = this.#answers[2] ?? 0;
    this.#copied.sawNegative = this.#answers[3] === 1;
    return this.#copied;
  }

  readonly #copied: NumbersCopied = { isComplete: false, at: 0, out: 0, commas: 0, sawNegative: false };

  /** 32 bits of XXH64, as a number from 0 on. */
  checksum(bytes: Uint8Array): number {
    this.#reserve(INPUT + bytes.length + PADDING);
    this.#bytes.set(bytes, INPUT);
    return this.#functions.checksum(INPUT, bytes.length) >>> 0;
  }

  #reserve(bytes: number): void {
    const missing = bytes - this.#memory.buffer.byteLength;
    if (missing <= 0) return;
    this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    this.#answers = new Int32Array(this.#memory.buffer, 0, 4);
    this.#bytes = Buffer.from(this.#memory.buffer);
  }
}

export type NumbersCopied = {
  /** Stopped behind a number that no comma follows; else before one that is left to the caller. */
  isComplete: boolean;
  /** Where it stopped, in the input and in the output. */
  at: number;
  out: number;
  /** How many it passed. */
  commas: number;
  sawNegative: boolean;
};

function loopOf(exports: WebAssembly.Exports, name: string): (...values: number[]) => number {
  const loop = exports[name];
  if (typeof loop !== "function") throw new TypeError(`the kernel has no ${name}`);
  return (...values) => Number(loop(...values));
}
