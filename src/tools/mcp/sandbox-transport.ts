/**
 * MCP over the stdin and stdout of a process inside a sandbox: one JSON message a line. What the process writes
 * to stderr is kept, the last of it, to explain its end.
 */
import { ReadBuffer, serializeMessage } from "@modelcontextprotocol/sdk/shared/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import type { SandboxProcess } from "../../contracts/sandbox.ts";

const keptStderrBytes = 2_000;

export class SandboxTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #process: SandboxProcess;
  readonly #received = new ReadBuffer();
  #stderr = Buffer.alloc(0);
  #exitCode: number | undefined;
  #isClosed = false;

  constructor(process: SandboxProcess) {
    this.#process = process;
  }

  /** Why the process is gone, for people and models; null = it runs. */
  ending(): string | null {
    if (this.#exitCode === undefined) return null;
    const said = this.#stderr.toString("utf8").trim();
    return `exit code ${this.#exitCode}${said === "" ? "" : `; it said: ${said}`}`;
  }

  async start(): Promise<void> {
    const { stdin, stdout, stderr, exited } = this.#process;
    stdout.on("data", (chunk: Buffer) => this.#receive(chunk));
    stderr.on("data", (chunk: Buffer) => {
      this.#stderr = Buffer.concat([this.#stderr, chunk]).subarray(-keptStderrBytes);
    });
    for (const stream of [stdin, stdout, stderr]) stream.on("error", (error) => this.onerror?.(error));
    exited.then(
      (code) => {
        this.#exitCode = code;
        this.#end();
      },
      () => this.#end(),
    );
  }

  send(message: JSONRPCMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#process.stdin.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()));
    });
  }

  async close(): Promise<void> {
    await this.#process.kill();
    this.#end();
  }

  #receive(chunk: Buffer): void {
    try {
      this.#received.append(chunk);
    } catch (error) {
      // More than any message may have: the stream can't be followed any more.
      this.#fail(error);
      this.close().catch(() => {});
      return;
    }
    for (;;) {
      try {
        const message = this.#received.readMessage();
        if (message === null) return;
        this.onmessage?.(message);
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  #fail(error: unknown): void {
    this.onerror?.(error instanceof Error ? error : new Error(String(error)));
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#received.clear();
    this.onclose?.();
  }
}
