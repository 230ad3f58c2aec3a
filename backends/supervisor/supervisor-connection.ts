/**
 * The host's end of a supervisor's control channel: starts jobs, hands their bytes on, settles their ends.
 * The other side is untrusted. Whatever it sends that it could not have meant breaks the connection, and a
 * broken connection settles everything that waits on it: nothing hangs and nothing throws out of a handler.
 */
import type { Duplex } from "node:stream";
import { LachesisError } from "../../src/contracts/errors.ts";
import {
  encodeBytes,
  encodeFrame,
  encodeStrings,
  type Frame,
  FrameDecoder,
  hostFrame,
  sandboxFrame,
} from "./frames.ts";

export type JobRequest = {
  argv: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** Whether the process gets an input pipe; else it reads /dev/null. */
  hasStdin: boolean;
};

/** Receives a job's output. Each chunk must be answered with `grantCredit` once it is taken. */
export type JobListener = {
  onOutput(stream: OutputStream, chunk: Buffer): void;
  onEnd(stream: OutputStream): void;
  /** So many bytes of input have gone into the process (or were dropped because it no longer reads). */
  onInputTaken(bytes: number): void;
};
export type OutputStream = "stdout" | "stderr";

/** Bytes of one output stream that may be under way before the host says that it took them. */
export const outputWindowBytes = 1_048_576;
/** Bytes taken before the host says so: every word to the supervisor wakes it. */
export const creditBatchBytes = outputWindowBytes / 4;
/** Bytes of input that may be under way to one process. */
export const inputWindowBytes = 262_144;
/** How long a stream that broke waits for the reason. */
const reasonGraceMs = 2_000;

export type Job = {
  /** The main process' wait status as an exit code (128 + n for signal n). Rejects with SANDBOX_DIED. */
  readonly exited: Promise<number>;
  /** Settles when the main process has ended and all its output has come. Rejects with SANDBOX_DIED. */
  readonly finished: Promise<void>;
  /** Settles when the last descendant has gone. Rejects with SANDBOX_DIED. */
  readonly gone: Promise<void>;
  grantCredit(stream: OutputStream, bytes: number): void;
  /** An empty chunk ends the input. The caller keeps within `inputWindowBytes`. */
  sendInput(chunk: Uint8Array): void;
  /** Kills the job's whole process tree. */
  kill(): void;
};

type JobEntry = {
  listener: JobListener;
  exit: PromiseWithResolvers<number>;
  finished: PromiseWithResolvers<void>;
  gone: PromiseWithResolvers<void>;
  pending: Set<"exit" | "gone" | OutputStream>;
  inputUnderWayBytes: number;
  isKilled: boolean;
};

export class SupervisorConnection {
  readonly #socket: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #jobs = new Map<number, JobEntry>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<LachesisError>();
  #lastJobId = 0;
  #broken: LachesisError | undefined;

  /** @param placeEnded settles with how the place of the supervisor ended, in words, and never rejects. */
  constructor(socket: Duplex, placeEnded?: Promise<string>) {
    this.#socket = socket;
    this.#ready.promise.catch(() => {});
    const endsPlace = placeEnded?.then((how) => this.break(died(`its place ended with ${how}`)));
    const onEnd = (why: string) => {
      if (endsPlace === undefined || this.#broken !== undefined) return this.break(died(why));
      // The place's own end says more than that of a stream; mostly it is known a moment later.
      const giveUp = setTimeout(() => this.break(died(why)), reasonGraceMs);
      void this.ended.then(() => clearTimeout(giveUp));
    };
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => onEnd(`its control channel failed (${error.message})`));
    socket.on("end", () => onEnd("its supervisor is gone"));
    socket.on("close", () => onEnd("its supervisor is gone"));
    socket.resume();
  }

  /** Settles when the supervisor has reported for duty; rejects when it dies before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Settles once with the reason why nothing more can be started here: the other side broke off, or we did. */
  get ended(): Promise<LachesisError> {
    return this.#end.promise;
  }

  start(request: JobRequest, listener: JobListener): Job {
    if (this.#broken !== undefined) throw this.#broken;
    const jobId = ++this.#lastJobId;
    const entry: JobEntry = {
      listener,
      exit: Promise.withResolvers(),
      finished: Promise.withResolvers(),
      gone: Promise.withResolvers(),
      pending: new Set(["exit", "stdout", "stderr", "gone"]),
      inputUnderWayBytes: 0,
      isKilled: false,
    };
    for (const { promise } of [entry.exit, entry.finished, entry.gone]) promise.catch(() => {});
    this.#jobs.set(jobId, entry);

    this.#send(
      encodeFrame(hostFrame.start, jobId, encodeJobRequest(request)),
      encodeCredit(jobId, "stdout", outputWindowBytes),
      encodeCredit(jobId, "stderr", outputWindowBytes),
    );
    return {
      exited: entry.exit.promise,
      finished: entry.finished.promise,
      gone: entry.gone.promise,
      grantCredit: (stream, bytes) => this.#send(encodeCredit(jobId, stream, bytes)),
      sendInput: (chunk) => {
        entry.inputUnderWayBytes += chunk.length;
        this.#send(encodeFrame(hostFrame.stdin, jobId, chunk));
      },
      kill: () => {
        if (entry.isKilled || !this.#jobs.has(jobId)) return;
        entry.isKilled = true;
        this.#send(encodeFrame(hostFrame.kill, jobId));
      },
    };
  }

  /** Ends the connection for the reason given (the first one counts) and rejects all that waits on it. */
  break(reason: LachesisError): void {
    if (this.#broken !== undefined) return;
    this.#broken = reason;
    this.#socket.destroy();
    this.#ready.reject(reason);
    for (const entry of this.#jobs.values()) {
      for (const { reject } of [entry.exit, entry.finished, entry.gone]) reject(reason);
      for (const stream of ["stdout", "stderr"] as const)
        if (entry.pending.has(stream)) entry.listener.onEnd(stream);
    }
    this.#jobs.clear();
    this.#end.resolve(reason);
  }

  #send(...frames: Buffer[]): void {
    if (this.#broken === undefined && this.#socket.writable) this.#socket.write(Buffer.concat(frames));
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.decode(chunk)) {
        if (this.#broken !== undefined) return;
        this.#handle(frame);
      }
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      this.break(died(`its supervisor sent ${what}`));
    }
  }

  #handle({ type, jobId, payload }: Frame): void {
    if (type === sandboxFrame.ready) {
      this.#ready.resolve();
      return;
    }
    const entry = this.#jobs.get(jobId);
    if (entry === undefined) throw new Error(`a frame for the unknown job ${jobId}`);
    switch (type) {
      case sandboxFrame.stdout:
      case sandboxFrame.stderr: {
        const stream = type === sandboxFrame.stdout ? "stdout" : "stderr";
        if (!entry.pending.has(stream)) throw new Error("output behind its end");
        if (payload.length > 0) {
          entry.listener.onOutput(stream, payload);
        } else {
          this.#settle(jobId, entry, stream);
          entry.listener.onEnd(stream);
        }
        return;
      }
      case sandboxFrame.taken: {
        const bytes = payload.readUInt32BE();
        if (bytes > entry.inputUnderWayBytes)
          throw new Error("an acknowledgement of input that was never sent");
        entry.inputUnderWayBytes -= bytes;
        entry.listener.onInputTaken(bytes);
        return;
      }
      case sandboxFrame.exit:
        entry.exit.resolve(exitCodeOf(payload.readUInt16BE()));
        this.#settle(jobId, entry, "exit");
        return;
      case sandboxFrame.gone:
        entry.gone.resolve();
        this.#settle(jobId, entry, "gone");
        return;
      default:
        throw new Error(`a frame of the unknown type ${type}`);
    }
  }

  #settle(jobId: number, entry: JobEntry, part: "exit" | "gone" | OutputStream): void {
    entry.pending.delete(part);
    const isFinished =
      !entry.pending.has("exit") && !entry.pending.has("stdout") && !entry.pending.has("stderr");
    if (isFinished) entry.finished.resolve();
    if (isFinished && !entry.pending.has("gone")) this.#jobs.delete(jobId);
  }
}

/** SANDBOX_DIED: the machinery's failure, which a fresh sandbox may not meet. */
export function died(why: string): LachesisError {
  return new LachesisError("SANDBOX_DIED", `The sandbox died: ${why}.`, { retryable: true });
}

function exitCodeOf(waitStatus: number): number {
  const signal = waitStatus & 0x7f;
  return signal === 0 ? waitStatus >> 8 : 128 + signal;
}

function encodeCredit(jobId: number, stream: OutputStream, bytes: number): Buffer {
  const payload = Buffer.allocUnsafe(5);
  payload.writeUInt8(stream === "stdout" ? 0 : 1, 0);
  payload.writeUInt32BE(bytes, 1);
  return encodeFrame(hostFrame.credit, jobId, payload);
}

function encodeJobRequest({ argv, cwd, env, hasStdin }: JobRequest): Buffer {
  return Buffer.concat([
    Buffer.of(hasStdin ? 1 : 0),
    encodeStrings([cwd]),
    encodeBytes(encodeStrings(argv)),
    encodeBytes(encodeStrings(Object.entries(env).flat())),
  ]);
}
