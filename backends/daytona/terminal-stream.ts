/** The host's end of the relay (terminal-relay.ts): a Daytona terminal as a byte stream with backpressure. */
import { Duplex } from "node:stream";
import type { DaytonaPty } from "./daytona-sdk.ts";
import { relayFrame, relayKeyBytes } from "./terminal-relay.ts";

const frameHeaderBytes = 5;
const blockHeaderBytes = relayKeyBytes + 2;
/** Daytona refuses messages over 64 KiB. */
const inputChunkBytes = 32_768;
/** What a shell may say before the relay is there: a banner, prompts, our command's echo. */
const noiseLimitBytes = 65_536;
/** A silent connection is cut by proxies. */
const heartbeatMs = 20_000;

export class TerminalStream extends Duplex {
  /** What the relay's script said: "ready", or why it could not become the relay. Rejects when it never speaks. */
  readonly answered: Promise<string>;
  readonly #answer = Promise.withResolvers<string>();
  readonly #greeting: string;
  readonly #key: Buffer;
  readonly #heartbeat: NodeJS.Timeout;
  /** Why we broke off, where it was us. */
  failure: string | undefined;
  #pty: DaytonaPty | undefined;
  #heard: Buffer = Buffer.alloc(0);
  #isReady = false;
  #receivedBytes = 0;
  #isAcknowledging = false;

  constructor(greeting: string, key: string) {
    super();
    this.#greeting = greeting;
    this.#key = Buffer.from(key, "hex");
    this.answered = this.#answer.promise;
    this.answered.catch(() => {});
    this.#heartbeat = setInterval(() => this.#acknowledge(), heartbeatMs);
  }

  attach(pty: DaytonaPty): void {
    this.#pty = pty;
    if (this.destroyed) void pty.disconnect();
  }

  /** What the terminal said; never throws. */
  receive(data: Uint8Array): void {
    if (this.destroyed) return;
    this.#heard = Buffer.concat([this.#heard, data]);
    if (!this.#isReady) this.#awaitGreeting();
    if (this.#isReady) this.#takeBlocks();
  }

  /** Ends the stream: nothing more will come. */
  finish(why: string): void {
    this.#answer.reject(new Error(`${why}${this.#heard.length > 0 ? `, saying: ${this.#summary()}` : ""}`));
    if (!this.destroyed) this.push(null);
    this.destroy();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#sendInput(chunk).then(
      () => done(),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.#heartbeat);
    this.#answer.reject(error ?? new Error("its terminal was closed"));
    void this.#pty?.disconnect().catch(() => {});
    done(error);
  }

  async #sendInput(chunk: Buffer): Promise<void> {
    for (let offset = 0; offset < chunk.length; offset += inputChunkBytes) {
      await this.#send(relayFrame.input, chunk.subarray(offset, offset + inputChunkBytes));
    }
  }

  async #send(type: number, payload: Buffer): Promise<void> {
    const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
    frame.writeUInt8(type, 0);
    frame.writeUInt32BE(payload.length, 1);
    frame.set(payload, frameHeaderBytes);
    await this.#pty?.sendInput(frame);
  }

  #awaitGreeting(): void {
    const pattern = new RegExp(`${this.#greeting} ([a-z-]+)\r?\n`);
    const match = pattern.exec(this.#heard.toString("latin1"));
    if (match === null) {
      if (this.#heard.length > noiseLimitBytes) this.finish("its terminal said something else");
      return;
    }
    this.#heard = this.#heard.subarray(match.index + match[0].length);
    this.#isReady = true;
    this.#answer.resolve(match[1] ?? "");
  }

  #takeBlocks(): void {
    let offset = 0;
    while (this.#heard.length - offset >= blockHeaderBytes) {
      const start = offset + blockHeaderBytes;
      const end = start + this.#heard.readUInt16BE(start - 2);
      if (!this.#heard.subarray(offset, offset + relayKeyBytes).equals(this.#key)) {
        this.failure = "somebody else wrote to its terminal";
        this.destroy(new Error(this.failure));
        return;
      }
      if (end > this.#heard.length) break;
      this.push(this.#heard.subarray(start, end));
      this.#receivedBytes += end - start;
      offset = end;
    }
    if (offset === 0) return;
    this.#heard = this.#heard.subarray(offset);
    if (this.#isAcknowledging) return;
    this.#isAcknowledging = true;
    setImmediate(() => {
      this.#isAcknowledging = false;
      this.#acknowledge();
    });
  }

  #acknowledge(): void {
    if (!this.#isReady || this.destroyed) return;
    const total = Buffer.alloc(8);
    total.writeBigUInt64BE(BigInt(this.#receivedBytes));
    // A connection that is gone tells so by its end.
    this.#send(relayFrame.acknowledge, total).catch(() => {});
  }

  #summary(): string {
    return this.#heard.toString("latin1").trim().slice(-300);
  }
}
