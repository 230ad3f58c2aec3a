/**
 * One command on the remote machine as a byte stream. Destroying the stream ends the command's input and lets the
 * channel live on until the command has ended too: closing the channel would leave the command running unheard.
 */
import { Duplex } from "node:stream";
import type { ClientChannel } from "ssh2";
import { CappedOutput } from "../../src/tools/capped-output.ts";

const complaintLimitBytes = 4_096;

export type RemoteEnd = {
  /** undefined: a signal ended it, or the connection broke and nobody knows. */
  exitCode: number | undefined;
  /** How it ended, in words. */
  how: string;
};

export class RemoteChannel extends Duplex {
  /** Settles when the remote command has ended or the connection broke; never rejects. */
  readonly ended: Promise<RemoteEnd>;
  readonly #channel: ClientChannel;
  readonly #complaint = new CappedOutput(complaintLimitBytes);

  constructor(channel: ClientChannel) {
    super({ allowHalfOpen: true });
    this.#channel = channel;
    const { promise, resolve } = Promise.withResolvers<RemoteEnd>();
    this.ended = promise;
    let end: RemoteEnd = { exitCode: undefined, how: "the loss of its SSH connection" };
    channel.on("exit", (exitCode: number | null, signal?: string) => {
      end =
        exitCode === null
          ? { exitCode: undefined, how: `signal ${signal}` }
          : { exitCode, how: `exit code ${exitCode}` };
    });
    channel.on("data", (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) channel.pause();
    });
    channel.on("end", () => this.#endOutput());
    channel.on("error", () => {});
    channel.once("close", () => {
      this.#endOutput();
      resolve(end);
    });
    channel.stderr.on("data", (chunk: Buffer) => this.#complaint.write(chunk));
    channel.stderr.on("error", () => {});
  }

  /** What it wrote to stderr, shortened. */
  get complaint(): string {
    return this.#complaint.bytes().toString().trim();
  }

  /** Gives the channel up, whatever its command still does. */
  abandon(): void {
    this.destroy();
    this.#channel.close();
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#channel.write(chunk, () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.end();
    done();
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    // Not `end()`: that would wait for what the command may never read.
    this.#channel.eof();
    this.#channel.resume();
    done(null);
  }

  #endOutput(): void {
    if (!this.destroyed && !this.readableEnded) this.push(null);
  }
}
