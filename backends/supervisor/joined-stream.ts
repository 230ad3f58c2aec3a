/**
 * One bidirectional stream of two one-way ones, as a child process has them. The reading half alone tells the end:
 * a writing half that fails first (the process has gone) must not hide the last words still to be read.
 */
import { Duplex, type Readable, type Writable } from "node:stream";

/** Destroying it destroys both halves. */
export class JoinedStream extends Duplex {
  readonly #input: Writable;
  readonly #output: Readable;

  /** @param input takes what is written here; @param output gives what is read here. */
  constructor(input: Writable, output: Readable) {
    super({ allowHalfOpen: true });
    this.#input = input;
    this.#output = output;
    // What fails before anybody listens must not end the host; whoever listens later sees it destroyed.
    this.on("error", () => {});
    input.on("error", () => {});
    output.on("error", (error) => this.destroy(error));
    output.on("end", () => this.push(null));
    output.on("close", () => this.push(null));
    output.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) output.pause();
    });
  }

  override _read(): void {
    this.#output.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#input.destroyed || this.#input.writableEnded) done();
    else this.#input.write(chunk, () => done());
  }

  override _final(done: () => void): void {
    this.#input.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#input.destroy();
    this.#output.destroy();
    done(error);
  }
}
