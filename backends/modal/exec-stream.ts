/**
 * A command on Modal as one byte stream: what is written goes to its stdin, its stdout is what is read.
 *
 * The SDK sends each write as a call of its own that tells its offset, one after the other, and repeats it where
 * the connection failed; a call costs a round trip. So everything that waits is sent as one, up to what Modal's
 * own clients send at most. Its stdout is one call that streams and is resumed at its offset. Both keep bytes as they are.
 */
import { Duplex } from "node:stream";
import type { ContainerProcess } from "modal";

const largestWriteBytes = 1_048_576;

type Done = (error?: Error | null) => void;

export class ExecStream extends Duplex {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(process: ContainerProcess<Uint8Array>) {
    super({ writableHighWaterMark: largestWriteBytes });
    this.#reader = process.stdout.getReader();
    this.#writer = process.stdin.getWriter();
  }

  override _read(): void {
    this.#reader.read().then(
      ({ done, value }) => this.push(done ? null : value),
      (error: unknown) => this.destroy(asError(error)),
    );
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    finish(this.#send(chunk), done);
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: Done): void {
    finish(this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk))), done);
  }

  override _final(done: Done): void {
    finish(this.#writer.close(), done);
  }

  override _destroy(error: Error | null, done: Done): void {
    // Neither is waited for: a sandbox that has vanished may keep the SDK trying for many seconds.
    this.#reader.cancel().catch(() => {});
    this.#writer.abort().catch(() => {});
    done(error);
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; offset += largestWriteBytes) {
      await this.#writer.write(bytes.subarray(offset, offset + largestWriteBytes));
    }
  }
}

function finish(work: Promise<void>, done: Done): void {
  work.then(
    () => done(),
    (error: unknown) => done(asError(error)),
  );
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
