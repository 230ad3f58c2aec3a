/**
 * One Python process from start to end. Whatever goes wrong with it (it exits, it writes what the driver
 * cannot have written, it does not stop in time) loses it for good: the reason is kept, the process is killed,
 * and every later call answers with that loss. Nothing here throws out of a stream's handler.
 */
import { randomBytes } from "node:crypto";
import { longestTimerMs } from "../contracts/longest-timer.ts";
import type { SandboxProcess } from "../contracts/sandbox.ts";
import { untilAborted } from "../contracts/until-aborted.ts";
import { CappedOutput } from "./capped-output.ts";
import { encodeRequest, endOfOutput, type Reply, ReplyReader, readyId } from "./python-frames.ts";
import type { PythonHome } from "./python-home.ts";

const outputLimitBytes = 1_048_576;
/** For the driver to end a call by itself after the time limit, and for pipes to run dry. */
const graceMs = 2_000;
const exitNoticeMs = 500;

export type LossKind = "exited" | "killed" | "time-limit";
export type Loss = { kind: LossKind; reason: string; exitCode?: number };

/** A call's end: the driver's reply, or the loss of the process. `output` is what the call printed. */
export type CallEnd = { output: string; droppedBytes: number } & (
  | { lost: false; reply: Reply }
  | { lost: true; loss: Loss }
);

type Call = {
  id: string;
  reply: PromiseWithResolvers<Reply>;
  outputEnd: PromiseWithResolvers<CappedOutput>;
};

export class PythonProcess {
  readonly #process: SandboxProcess;
  readonly #replies = new ReplyReader();
  readonly #lost = Promise.withResolvers<Loss>();
  readonly #drained: Promise<unknown>;
  #loss: Loss | undefined;
  #call: Call | undefined;
  #output = new CappedOutput(outputLimitBytes);
  /** The last bytes of output that may be the start of the running call's end mark. */
  #undecided = Buffer.alloc(0);

  private constructor(process: SandboxProcess) {
    this.#process = process;
    process.stdin.on("error", () => {});
    process.stdout.on("error", () => {});
    process.stderr.on("error", () => {});
    process.stdout.on("data", (chunk: Buffer) => this.#onReplyBytes(chunk));
    process.stderr.on("data", (chunk: Buffer) => this.#onOutput(chunk));
    process.stdout.once("end", () => this.#onChannelClosed());
    this.#drained = new Promise((resolve) => process.stderr.once("close", resolve).once("end", resolve));
    process.exited.then(
      (exitCode) => this.#lose({ kind: "exited", reason: describeExit(exitCode), exitCode }),
      () => this.#lose({ kind: "exited", reason: "it ended with its sandbox" }),
    );
  }

  /** Starts the driver and waits for its first word; `end` says whether it came up. */
  static async start(
    home: PythonHome,
    options: { signal: AbortSignal; timeoutMs: number },
  ): Promise<{ python: PythonProcess; end: CallEnd }> {
    const process = await home.spawn({ signal: options.signal });
    const python = new PythonProcess(process);
    try {
      return { python, end: await python.#awaitReply(readyId, options) };
    } catch (error) {
      await python.close();
      throw error;
    }
  }

  /** Why the process can no longer be used; undefined = it can. */
  get loss(): Loss | undefined {
    return this.#loss;
  }

  /** Runs one piece of code; one at a time. Rejects only with the signal's reason. */
  async execute(
    code: string,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<CallEnd> {
    const id = randomBytes(16).toString("hex");
    this.#process.stdin.write(encodeRequest(id, timeoutMs, code));
    return await this.#awaitReply(id, { timeoutMs: timeoutMs + graceMs, signal });
  }

  /** Kills the process and waits until it is gone. */
  async close(): Promise<void> {
    this.#lose({ kind: "killed", reason: "it was closed" });
    await this.#process.kill();
  }

  async #awaitReply(
    id: string,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<CallEnd> {
    const call: Call = { id, reply: Promise.withResolvers(), outputEnd: Promise.withResolvers() };
    this.#call = call;
    const limit = setTimeout(
      () => this.#lose({ kind: "time-limit", reason: "it did not stop at the time limit" }),
      Math.min(timeoutMs, longestTimerMs),
    );
    try {
      const replied = await untilAborted(Promise.race([this.#lost.promise, this.#wholeReply(call)]), signal);
      if ("reply" in replied) {
        return { lost: false, reply: replied.reply, ...printed(replied.output) };
      }
      await untilAborted(this.#settle(), signal);
      return { lost: true, loss: replied, ...printed(this.#output) };
    } finally {
      clearTimeout(limit);
      this.#call = undefined;
      if (signal.aborted) this.#lose({ kind: "killed", reason: "the rollout was cancelled" });
    }
  }

  async #wholeReply(call: Call): Promise<{ reply: Reply; output: CappedOutput }> {
    const reply = await call.reply.promise;
    if (reply.status === "R") return { reply, output: new CappedOutput(0) };
    return { reply, output: await call.outputEnd.promise };
  }

  #onReplyBytes(chunk: Buffer): void {
    if (this.#loss !== undefined) return;
    try {
      for (const reply of this.#replies.read(chunk)) {
        const asked = reply.id === this.#call?.id && (reply.status === "R") === (reply.id === readyId);
        if (!asked) throw new Error("a reply that nobody asked for");
        this.#call?.reply.resolve(reply);
      }
    } catch {
      this.#lose({ kind: "killed", reason: "its code wrote into the session's control channel" });
    }
  }

  /** At an exit the channel closes a moment before the exit is known: that has the better reason to give. */
  #onChannelClosed(): void {
    const lose = () =>
      this.#lose({ kind: "killed", reason: "its code closed the session's control channel" });
    setTimeout(lose, exitNoticeMs).unref();
  }

  #onOutput(chunk: Buffer): void {
    const data = this.#undecided.length === 0 ? chunk : Buffer.concat([this.#undecided, chunk]);
    this.#undecided = Buffer.alloc(0);
    if (this.#call === undefined || this.#call.id === readyId) {
      this.#output.write(data);
      return;
    }
    const mark = endOfOutput(this.#call.id);
    const at = data.indexOf(mark);
    if (at >= 0) {
      this.#output.write(data.subarray(0, at));
      this.#call.outputEnd.resolve(this.#output);
      this.#output = new CappedOutput(outputLimitBytes);
      this.#output.write(data.subarray(at + mark.length));
      return;
    }
    const undecidedFrom = Math.max(0, data.length - mark.length + 1);
    this.#output.write(data.subarray(0, undecidedFrom));
    this.#undecided = Buffer.from(data.subarray(undecidedFrom));
  }

  /** The first reason stays. */
  #lose(loss: Loss): void {
    if (this.#loss !== undefined) return;
    this.#loss = loss;
    this.#lost.resolve(loss);
    // Failing to kill means that the sandbox is gone, and the process with it.
    this.#process.kill().catch(() => {});
  }

  /** After a loss: waits until what the process had printed is here, as long as its pipe ends soon. */
  async #settle(): Promise<void> {
    const { promise: waited, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, graceMs);
    await Promise.race([this.#drained, waited]);
    clearTimeout(timer);
    this.#output.write(this.#undecided);
    this.#undecided = Buffer.alloc(0);
  }
}

function printed(output: CappedOutput): { output: string; droppedBytes: number } {
  return { output: output.bytes().toString("utf8"), droppedBytes: output.droppedBytes };
}

function describeExit(code: number): string {
  if (code === 137) return "it was killed (signal 9), probably for using too much memory";
  if (code > 128) return `it was killed by signal ${code - 128}`;
  return `it ended with exit code ${code}`;
}
