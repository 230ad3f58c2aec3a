/**
 * A process in a sandbox that speaks in lines, and may be the model's: lines have a greatest length, waiting has a
 * limit, and silence, floods and a sudden end are answers, not errors. Only a sandbox that is gone is one.
 */
import type { Command, Sandbox, SandboxProcess } from "../../src/contracts/sandbox.ts";

export type Line =
  | { kind: "line"; text: string }
  /** The process ended, closed its output, or sent a line that is too long. */
  | { kind: "ended" }
  | { kind: "late" };

const longestLineBytes = 9 * 1_048_576;
const probeTimeoutMs = 20_000;

export class LineProcess implements AsyncDisposable {
  readonly #sandbox: Sandbox;
  readonly #process: SandboxProcess;
  readonly #lines: string[] = [];
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(sandbox: Sandbox, process: SandboxProcess) {
    this.#sandbox = sandbox;
    this.#process = process;
    process.stdin.on("error", () => this.#end());
    process.stderr.on("error", () => undefined).resume();
    void this.#read().catch(() => this.#end());
  }

  /** Rejects as `Sandbox.spawn` does. Disposing of it kills the process with all its descendants. */
  static async start(
    sandbox: Sandbox,
    command: Command,
    options: { signal: AbortSignal },
  ): Promise<LineProcess> {
    return new LineProcess(sandbox, await sandbox.spawn(command, options));
  }

  /** Never waits: who doesn't read its input is late with its answer. */
  send(line: string): void {
    if (!this.#ended) this.#process.stdin.write(`${line}\n`);
  }

  /** The next line, or why there is none. Rejects where the sandbox is gone, or with the signal's reason. */
  async next({ deadlineMs, signal }: { deadlineMs: number; signal: AbortSignal }): Promise<Line> {
    for (;;) {
      signal.throwIfAborted();
      const text = this.#lines.shift();
      if (text !== undefined) {
        return { kind: "line", text };
      }
      if (this.#ended) {
        // The end of a process doesn't tell that its sandbox died; the next command does.
        await this.#sandbox.exec({ argv: ["true"], cwd: "/" }, { timeoutMs: probeTimeoutMs, signal });
        return { kind: "ended" };
      }
      const leftMs = deadlineMs - Date.now();
      if (leftMs <= 0) return { kind: "late" };
      await this.#sleep(leftMs, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.#process.kill();
  }

  async #read(): Promise<void> {
    let pieces: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.#process.stdout) {
      let rest: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        if (size + end > longestLineBytes || this.#lines.length > 1_000) return this.#end();
        this.#lines.push(Buffer.concat([...pieces, rest.subarray(0, end)]).toString("utf8"));
        [pieces, size, rest] = [[], 0, rest.subarray(end + 1)];
        this.#wake();
      }
      pieces.push(rest);
      size += rest.length;
      if (size > longestLineBytes) return this.#end();
    }
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(ms, 2 ** 31 - 1));
      signal.addEventListener("abort", done, { once: true });
      this.#wake = done;
    });
  }
}
