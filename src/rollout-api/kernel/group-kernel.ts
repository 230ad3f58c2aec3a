/**
 * The compiled loops of kernel.as with memory of their own: bytes go in, and what the loops make of them comes
 * out, without a copy between them. One for each thread that needs one.
 */
import { kernelCode } from "./kernel-code.ts";

/** The first words of memory are answers. */
const INPUT = 64;
/** The loops read and write in steps of 32 bytes, up to two beyond what counts. */
const PADDING = 64;
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
};

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
    };
  }

  /**
   * Takes bytes in; answers where they now are and where to write, until the next call. undefined = too many.
   */
  load(bytes: Uint8Array): LoadedInput | undefined {
    const { length } = bytes;
    if (length > LARGEST_INPUT) return undefined;
    const output = INPUT + length + PADDING;
    this.#reserve(output + outputBytes(length) + PADDING);
    this.#bytes.set(bytes, INPUT);
    // What earlier input left behind must not look like its end.
    this.#bytes.fill(0, INPUT + length, output);
    this.#output = output;
    return {
      input: this.#bytes.subarray(INPUT, INPUT + length),
      output: this.#bytes.subarray(output, output + outputBytes(length)),
    };
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

function loopOf(exports: WebAssembly.Exports, name: string): (first: number, second: number) => number {
  const loop = exports[name];
  if (typeof loop !== "function") throw new TypeError(`the kernel has no ${name}`);
  return (first, second) => Number(loop(first, second));
}
