/** A sandbox whose commands are run by a supervisor process inside it, whatever the walls around it are made of. */
import { posix } from "node:path";
import type { Readable } from "node:stream";
import { LachesisError } from "../../src/contracts/errors.ts";
import { longestTimerMs } from "../../src/contracts/longest-timer.ts";
import type {
  Command,
  ExecOptions,
  ExecResult,
  Sandbox,
  SandboxProcess,
} from "../../src/contracts/sandbox.ts";
import { CappedOutput } from "../../src/tools/capped-output.ts";
import { downloadInside, readFileInside, uploadInside, writeFileInside } from "../file-transfer.ts";
import { SupervisedProcess } from "./supervised-process.ts";
import {
  creditBatchBytes,
  died,
  inputWindowBytes,
  type Job,
  type JobRequest,
  type OutputStream,
  type SupervisorConnection,
} from "./supervisor-connection.ts";

export type SupervisedSandboxOptions = {
  id: string;
  workspace: string;
  /** The whole environment of a command that brings none of its own. */
  baseEnv: Readonly<Record<string, string>>;
  /** The shell of commands that are one text; default: bash. */
  shell?: string;
  connection: SupervisorConnection;
  /** Takes the walls down and settles when nothing is left; called once, after the connection is broken; never rejects. */
  demolish: () => Promise<void>;
};

const defaultOutputLimitBytes = 1_048_576;
/** How long a killed process tree may take to disappear before the whole sandbox is given up. */
const killGraceMs = 10_000;
const exitCodeTimedOut = 124;
const exitCodeKilled = 137;

export class SupervisedSandbox implements Sandbox {
  readonly id: string;
  readonly workspace: string;
  /** Settles when the sandbox has ended, for whatever reason, and nothing is left of it. */
  readonly closed: Promise<void>;
  readonly #baseEnv: Readonly<Record<string, string>>;
  readonly #shell: string;
  readonly #connection: SupervisorConnection;

  constructor(options: SupervisedSandboxOptions) {
    const { id, workspace, baseEnv, shell = "bash", connection, demolish } = options;
    this.id = id;
    this.workspace = workspace;
    this.#baseEnv = baseEnv;
    this.#shell = shell;
    this.#connection = connection;
    this.closed = connection.ended.then(demolish);
  }

  async exec(command: Command, options: ExecOptions): Promise<ExecResult> {
    const { timeoutMs, signal, stdin, outputLimitBytes = defaultOutputLimitBytes } = options;
    signal.throwIfAborted();
    const startedAtMs = performance.now();
    const outputs = {
      stdout: new CappedOutput(outputLimitBytes),
      stderr: new CappedOutput(outputLimitBytes),
    };
    const takenBytes = { stdout: 0, stderr: 0 };
    const input = stdin ?? new Uint8Array();
    let sentBytes = 0;
    let roomBytes = inputWindowBytes;

    const job = this.#connection.start(this.#request(command, stdin !== undefined), {
      onOutput: (stream: OutputStream, chunk: Buffer) => {
        outputs[stream].write(chunk);
        takenBytes[stream] += chunk.length;
        if (takenBytes[stream] < creditBatchBytes) return;
        job.grantCredit(stream, takenBytes[stream]);
        takenBytes[stream] = 0;
      },
      onEnd: () => {},
      onInputTaken: (bytes) => {
        roomBytes += bytes;
        feed();
      },
    });
    const feed = () => {
      while (sentBytes < input.length && roomBytes > 0) {
        const part = input.subarray(sentBytes, sentBytes + Math.min(roomBytes, 65_536));
        sentBytes += part.length;
        roomBytes -= part.length;
        job.sendInput(part);
        if (sentBytes === input.length) job.sendInput(new Uint8Array());
      }
    };
    if (stdin !== undefined) {
      if (input.length === 0) job.sendInput(input);
      else feed();
    }

    let isPastTime = false;
    const onTimeout = () => {
      isPastTime = true;
      void this.#killTree(job);
    };
    const timer = setTimeout(onTimeout, Math.min(timeoutMs, longestTimerMs));
    const onAbort = () => void this.#killTree(job);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await job.finished;
      const exitCode = await job.exited;
      if (isPastTime || signal.aborted) await job.gone;
      signal.throwIfAborted();
      const timedOut = isPastTime && exitCode === exitCodeKilled;
      return {
        exitCode: timedOut ? exitCodeTimedOut : exitCode,
        stdout: outputs.stdout.bytes(),
        stderr: outputs.stderr.bytes(),
        timedOut,
        stdoutDroppedBytes: outputs.stdout.droppedBytes,
        stderrDroppedBytes: outputs.stderr.droppedBytes,
        durationMs: performance.now() - startedAtMs,
      };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  async spawn(command: Command, { signal }: { signal: AbortSignal }): Promise<SandboxProcess> {
    signal.throwIfAborted();
    const request = this.#request(command, true);
    return new SupervisedProcess(
      (listener) => this.#connection.start(request, listener),
      (job) => this.#killTree(job),
    );
  }

  readFile(path: string, options: { signal: AbortSignal; maxBytes?: number }): Promise<Uint8Array> {
    return readFileInside(this, path, options);
  }

  writeFile(path: string, content: Uint8Array, options: { signal: AbortSignal }): Promise<void> {
    return writeFileInside(this, path, content, options);
  }

  upload(tar: Readable, directory: string, options: { signal: AbortSignal }): Promise<void> {
    return uploadInside(this, tar, directory, options);
  }

  download(path: string, options: { signal: AbortSignal }): Promise<Readable> {
    return downloadInside(this, path, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#connection.break(
      new LachesisError(
        "SANDBOX_CLOSED",
        `The sandbox ${this.id} has been disposed of; nothing more runs in it.`,
      ),
    );
    return this.closed;
  }

  #request(command: Command, hasStdin: boolean): JobRequest {
    const argv = "argv" in command ? command.argv : [this.#shell, "-c", command.shell];
    const env = { ...this.#baseEnv, ...command.env };
    const strings = [...argv, command.cwd ?? "", ...Object.entries(env).flat()];
    if (strings.some((text) => text.includes("\0"))) {
      throw new LachesisError(
        "SANDBOX_COMMAND_INVALID",
        "A command, its cwd or its env contains a NUL character.",
        {
          hint: "Pass binary data through stdin or a file.",
        },
      );
    }
    return { argv, cwd: posix.resolve(this.workspace, command.cwd ?? ""), env, hasStdin };
  }

  /** Kills the job's tree and waits for its end; a tree that won't go takes the whole sandbox with it. */
  async #killTree(job: Job): Promise<void> {
    job.kill();
    const giveUp = setTimeout(
      () => this.#connection.break(died(`a killed process was still there after ${killGraceMs} ms`)),
      killGraceMs,
    );
    await job.gone.catch(() => {});
    clearTimeout(giveUp);
  }
}
