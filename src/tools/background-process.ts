/**
 * One background command: its rolling output, its input, its end. Output is read as it comes, but no faster than a
 * few megabytes a second: a command that floods waits for its pipe, as it would for a slow terminal.
 */
import { stripVTControlCharacters } from "node:util";
import type { SandboxProcess } from "../contracts/sandbox.ts";
import { untilAborted } from "../contracts/until-aborted.ts";
import { RollingOutput } from "./rolling-output.ts";

const keptBytes = 200_000;
const floodBytes = 1_048_576;
const floodPauseMs = 100;
/** Input that the process has not read may wait up to here. */
const waitingInputBytes = 1_048_576;
/** For the last output to arrive once the process has gone. */
const lastWordsMs = 2_000;

export type BackgroundStart = {
  sessionId: string;
  command: string;
  cwd: string;
  pid: number | null;
  startedAtMs: number;
};

export class BackgroundProcess implements BackgroundStart {
  readonly sessionId: string;
  readonly command: string;
  readonly cwd: string;
  readonly pid: number | null;
  readonly startedAtMs: number;
  /** Settles once the process has gone and what it printed is here. */
  readonly ended: Promise<void>;
  readonly #process: SandboxProcess;
  readonly #output = new RollingOutput(keptBytes);
  #exitCode: number | null = null;
  #endedAtMs: number | null = null;
  #sincePauseBytes = 0;

  constructor(process: SandboxProcess, start: BackgroundStart) {
    this.sessionId = start.sessionId;
    this.command = start.command;
    this.cwd = start.cwd;
    this.pid = start.pid;
    this.startedAtMs = start.startedAtMs;
    this.#process = process;
    for (const stream of [process.stdin, process.stdout, process.stderr]) stream.on("error", () => {});
    process.stderr.resume();
    process.stdout.on("data", (chunk: Buffer) => this.#take(chunk));
    this.ended = this.#watch();
  }

  /** null = it runs. */
  get exitCode(): number | null {
    return this.#exitCode;
  }

  get uptimeSeconds(): number {
    return Math.floor(((this.#endedAtMs ?? Date.now()) - this.startedAtMs) / 1000);
  }

  get droppedBytes(): number {
    return this.#output.droppedBytes;
  }

  /** What it printed last, without terminal escapes. */
  output(): string {
    return stripVTControlCharacters(this.#output.bytes().toString("utf8"));
  }

  /** Waits for the end, at most so long; true = it has ended. Rejects with the signal's reason. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#exitCode !== null) return true;
    const time = Promise.withResolvers<false>();
    const timer = setTimeout(time.resolve, timeoutMs, false);
    try {
      return await untilAborted(Promise.race([this.ended.then(() => true), time.promise]), signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** False where too much input waits already. */
  write(text: string): boolean {
    if (this.#process.stdin.writableLength > waitingInputBytes) return false;
    this.#process.stdin.write(Buffer.from(text, "utf8"));
    return true;
  }

  closeInput(): void {
    this.#process.stdin.end();
  }

  /** Kills it and all that it started, and waits until they are gone. */
  async kill(): Promise<void> {
    this.#process.stdout.resume();
    await this.#process.kill();
    await this.ended;
  }

  #take(chunk: Buffer): void {
    this.#output.write(chunk);
    this.#sincePauseBytes += chunk.length;
    if (this.#sincePauseBytes < floodBytes) return;
    this.#sincePauseBytes = 0;
    this.#process.stdout.pause();
    setTimeout(() => this.#process.stdout.resume(), floodPauseMs).unref();
  }

  async #watch(): Promise<void> {
    const { stdout } = this.#process;
    const drained = new Promise<void>((resolve) => {
      stdout.once("end", resolve).once("close", resolve);
    });
    const exitCode = await this.#process.exited;
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, lastWordsMs);
    await Promise.race([drained, patience.promise]);
    clearTimeout(timer);
    this.#exitCode = exitCode;
    this.#endedAtMs = Date.now();
  }
}
