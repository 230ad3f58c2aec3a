/**
 * One run of `execute_code`: a Python process of its own in the sandbox, whose calls of tools are served one at a
 * time until it ends. Whatever it sends that is no frame, or comes when none is due, ends it. Nothing that it starts
 * outlives it.
 */
import { longestTimerMs } from "../contracts/longest-timer.ts";
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { Sandbox, SandboxProcess } from "../contracts/sandbox.ts";
import type { Tool } from "../contracts/tool.ts";
import { untilAborted } from "../contracts/until-aborted.ts";
import { CappedOutput } from "./capped-output.ts";
import { codeCommand } from "./code-driver.ts";
import { type CodeFrame, CodeFrameReader, encodeFrame } from "./code-frames.ts";
import { failedResult } from "./define-tool.ts";
import { inSeconds } from "./tool-timeout.ts";

const outputLimitBytes = 1_048_576;
/** For output to arrive once the process has gone. */
const lastWordsMs = 2_000;

export type CodeEnd = {
  status: "success" | "error" | "timeout";
  /** What the code and its subprocesses printed. */
  output: string;
  droppedBytes: number;
  toolCallsMade: number;
  error: string | null;
};

export type CodeRunOptions = {
  code: string;
  /** What the code may call. */
  tools: readonly Tool[];
  timeoutMs: number;
  mostCalls: number;
  context: RolloutContext;
};

type Stop = Pick<CodeEnd, "status" | "error">;

/** Rejects with a failure of the machinery (a tool's too), or the signal's reason. */
export async function runCode(sandbox: Sandbox, options: CodeRunOptions): Promise<CodeEnd> {
  const { signal } = options.context;
  const process = await sandbox.spawn(codeCommand(sandbox.workspace), { signal });
  const run = new CodeRun(process, options);
  try {
    const stop = await untilAborted(run.end, signal);
    if (stop.isProcessLost) {
      // A sandbox that went down with it is no mistake of the model's.
      await sandbox.exec({ argv: ["true"], cwd: "/" }, { timeoutMs: 10_000, signal });
    }
    return await run.finish(stop);
  } finally {
    await run.close();
  }
}

class CodeRun {
  /** Why it ended. Rejects where a tool's call failed for no fault of the code. */
  readonly end: Promise<Stop & { isProcessLost: boolean }>;
  readonly #process: SandboxProcess;
  readonly #options: CodeRunOptions;
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #reader = new CodeFrameReader();
  readonly #output = new CappedOutput(outputLimitBytes);
  readonly #drained: Promise<void>;
  readonly #stop = Promise.withResolvers<Stop & { isProcessLost: boolean }>();
  readonly #limit: NodeJS.Timeout;
  #ended: Stop | undefined;
  readonly #calling = new AbortController();
  #serving: Promise<void> | undefined;
  #calls = 0;
  #isOver = false;

  constructor(process: SandboxProcess, options: CodeRunOptions) {
    this.#process = process;
    this.#options = options;
    this.#tools = new Map(options.tools.map((tool) => [tool.name, tool]));
    this.end = this.#stop.promise;
    for (const stream of [process.stdin, process.stdout, process.stderr]) stream.on("error", () => {});
    process.stdout.on("data", (chunk: Buffer) => this.#take(chunk));
    process.stderr.on("data", (chunk: Buffer) => this.#output.write(chunk));
    this.#drained = new Promise((resolve) => process.stderr.once("end", resolve).once("close", resolve));
    process.exited.then(
      (exitCode) => this.#onExit(exitCode),
      () => this.#onExit(137),
    );
    this.#limit = setTimeout(
      () =>
        this.#end({
          status: "timeout",
          error: `The code was stopped at its limit of ${inSeconds(options.timeoutMs)}.`,
        }),
      Math.min(options.timeoutMs, longestTimerMs),
    );
    process.stdin.write(encodeFrame({ code: options.code, tools: options.tools.map(describeTool) }));
  }

  /** Once it has stopped: kills what is left of it and gathers what it printed. */
  async finish({ status, error }: Stop): Promise<CodeEnd> {
    await this.close();
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, lastWordsMs);
    await Promise.race([this.#drained, patience.promise]);
    clearTimeout(timer);
    const output = this.#output.bytes().toString("utf8");
    return { status, error, output, droppedBytes: this.#output.droppedBytes, toolCallsMade: this.#calls };
  }

  async close(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#limit);
    this.#calling.abort(new Error("the code that called has ended"));
    await this.#process.kill();
    await this.#serving;
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      for (const frame of this.#reader.read(chunk)) this.#onFrame(frame);
    } catch {
      this.#end({
        status: "error",
        error:
          "The code wrote into the channel of its tools and was stopped. Call tools by the functions of hermes_tools.",
      });
    }
  }

  #onFrame(frame: CodeFrame): void {
    if (this.#serving !== undefined || this.#ended !== undefined) throw new Error("a frame that is not due");
    if ("end" in frame) {
      // What the code left running until its end (threads, exit handlers) may go on up to the limit.
      this.#ended = { status: frame.end === null ? "success" : "error", error: frame.end };
      return;
    }
    this.#serving = this.#answer(frame.tool, frame.args).then(
      (content) => {
        this.#serving = undefined;
        if (!this.#isOver) this.#process.stdin.write(encodeFrame({ content }));
      },
      (reason: unknown) => {
        this.#isOver = true;
        this.#stop.reject(reason);
      },
    );
  }

  async #answer(name: string, args: Record<string, unknown>): Promise<string> {
    const { mostCalls, context } = this.#options;
    if (this.#calls >= mostCalls) {
      return failedResult(`The code has made ${mostCalls} tool calls, and may make no more.`).content;
    }
    this.#calls += 1;
    const tool = this.#tools.get(name);
    if (tool === undefined) {
      const names = [...this.#tools.keys()].sort().join(", ") || "(none)";
      return failedResult(`The code can't call "${name}". It can call: ${names}.`).content;
    }
    const calling = withSignal(context, AbortSignal.any([context.signal, this.#calling.signal]));
    return (await tool.call(args, calling)).content;
  }

  #onExit(exitCode: number): void {
    if (this.#ended !== undefined) this.#end(this.#ended);
    else {
      this.#end({ status: "error", error: describeExit(exitCode) }, { isProcessLost: true });
    }
  }

  /** The first reason stays. */
  #end(stop: Stop, { isProcessLost = false }: { isProcessLost?: boolean } = {}): void {
    this.#isOver = true;
    this.#stop.resolve({ ...stop, isProcessLost });
  }
}

/** The same rollout, for a call that ends with the code that made it. */
function withSignal(context: RolloutContext, signal: AbortSignal): RolloutContext {
  const { rolloutId, groupId, seed, deadlineMs, logger, limits, tools, children } = context;
  return {
    ...{ rolloutId, groupId, seed, deadlineMs, logger, limits, tools, children, signal },
    sandbox: () => context.sandbox(),
    resource: (key) => context.resource(key),
  };
}

function describeTool({ name, description, schema }: Tool) {
  const { properties } = schema.function.parameters;
  const parameters = typeof properties === "object" && properties !== null ? Object.keys(properties) : [];
  return { name, description, parameters };
}

function describeExit(exitCode: number): string {
  if (exitCode === 127 || exitCode === 126) {
    return "Python could not be started: there is no python3 in the sandbox. Use the terminal tool.";
  }
  if (exitCode === 137) return "The code was killed (signal 9), probably for using too much memory.";
  if (exitCode > 128) return `The code was killed by signal ${exitCode - 128}.`;
  return `The code ended its process with exit code ${exitCode}.`;
}
