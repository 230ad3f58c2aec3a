/**
 * A rollout's Python session: one process at a time, one call at a time. A process that is lost is replaced
 * at the next call, and the model is told that its variables are gone.
 *
 * A Python that never came up is a failure of the machinery, as is one that went down with its sandbox. One that came up before and does not any more is
 * the doing of the model's own code, and so a result.
 */
import { LachesisError } from "../contracts/errors.ts";
import { capMiddle } from "./cap-text.ts";
import type { PythonHome } from "./python-home.ts";
import { type CallEnd, type Loss, PythonProcess } from "./python-process.ts";
import { inSeconds } from "./tool-timeout.ts";

const startTimeoutMs = 60_000;
const outputLimitChars = 50_000;

/** `lost` = the process died, and the variables with it; `timeout` says in `error` whether they did. */
export type PythonStatus = "success" | "error" | "timeout" | "lost";

export type PythonResult = {
  status: PythonStatus;
  /** What the code and its subprocesses printed, cut in the middle beyond 50,000 characters. */
  output: string;
  /** `repr` of the last expression's value; null = the code ends otherwise, or with None. */
  value: string | null;
  /** The traceback, or why the call was stopped; null on success. */
  error: string | null;
  /** What the model must know beside it: variables that were lost before the call. */
  note: string | null;
};

export class PythonSession implements AsyncDisposable {
  readonly #home: PythonHome;
  #python: PythonProcess | undefined;
  #startedOnce = false;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(home: PythonHome) {
    this.#home = home;
  }

  /** Runs code after the calls before it; what it does wrong is in the result. Rejects on abort and machinery. */
  run(code: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<PythonResult> {
    const turn = this.#tail.then(() => this.#run(code, options));
    this.#tail = turn.catch(() => {});
    return turn;
  }

  async #run(code: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<PythonResult> {
    options.signal.throwIfAborted();
    const started = await this.#ensureStarted(options.signal);
    if ("failure" in started) return started.failure;
    const { python, note } = started;
    const end = await python.execute(code, options);
    if (end.lost) {
      this.#python = undefined;
      await python.close();
      await this.#home.proveAlive(options);
    }
    return resultOf(end, { note, timeoutMs: options.timeoutMs });
  }

  async #ensureStarted(
    signal: AbortSignal,
  ): Promise<{ python: PythonProcess; note: string | null } | { failure: PythonResult }> {
    const previous = this.#python;
    if (previous !== undefined && previous.loss === undefined) return { python: previous, note: null };
    this.#python = undefined;
    await previous?.close();

    const { python, end } = await PythonProcess.start(this.#home, { signal, timeoutMs: startTimeoutMs });
    if (end.lost) {
      const reason = `Python did not start: ${end.loss.reason}. ${end.output.trim()}`.trim();
      await python.close();
      await this.#home.proveAlive({ signal });
      if (this.#startedOnce) return { failure: result("lost", { error: reason }) };
      throw startFailure(`${this.#home.id}: ${reason}`, end.loss);
    }
    this.#python = python;
    this.#startedOnce = true;
    const note =
      previous?.loss === undefined
        ? null
        : `The Python process of the calls before was lost in the meantime (${previous.loss.reason}); their variables are gone.`;
    return { python, note };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#python?.close();
  }
}

/** Exit codes of a program that isn't there, or can't be run. */
const missingExitCodes = [126, 127];

/** A program that is missing will be missing again; whatever else was in the way may not be. */
function startFailure(message: string, { exitCode }: Loss): LachesisError {
  if (exitCode === undefined || !missingExitCodes.includes(exitCode)) {
    return new LachesisError("SANDBOX_START_FAILED", message, { retryable: true });
  }
  return new LachesisError("TOOL_PROGRAM_MISSING", message, {
    hint: "Install python3 where the sandbox can see it, or disable the python toolset.",
  });
}

const freshSession = "All variables are lost; the next call starts a fresh session.";

function resultOf(
  end: CallEnd,
  { note, timeoutMs }: { note: string | null; timeoutMs: number },
): PythonResult {
  const output = capMiddle(end.output, outputLimitChars, end.droppedBytes);
  if (end.lost) {
    const { kind, reason } = end.loss;
    return kind === "time-limit"
      ? result("timeout", {
          output,
          note,
          error: `The call did not stop at its limit of ${inSeconds(timeoutMs)}, so Python was killed. ${freshSession}`,
        })
      : result("lost", { output, note, error: `The Python process is gone: ${reason}. ${freshSession}` });
  }
  const { status, value, error } = end.reply;
  switch (status) {
    case "R":
    case "S":
      return result("success", { output, note, value: value === "" ? null : value });
    case "E":
      return result("error", { output, note, error });
    case "T":
      return result("timeout", {
        output,
        note,
        error: `The call was stopped at its limit of ${inSeconds(timeoutMs)}. Variables are kept.\n${error}`,
      });
    default:
      return status satisfies never;
  }
}

function result(status: PythonStatus, parts: Partial<PythonResult>): PythonResult {
  return { status, output: "", value: null, error: null, note: null, ...parts };
}
