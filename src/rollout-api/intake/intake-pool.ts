/**
 * Reads submissions: small ones here and at once, large ones on threads of its own, so that the thread that
 * answers everybody is never kept long by one group. Threads start when they are needed, or at once.
 *
 * A thread that dies, most likely because a careless giant did not fit into its memory, takes what it was
 * given with it and is replaced; the server lives on.
 */
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { LachesisError } from "../../contracts/errors.ts";
import { detailAnswer } from "../answer.ts";
import { joined } from "../byte-chunks.ts";
import { claimedBytes } from "../inflate.ts";
import { type IntakeRequest, type IntakeSettings, movable, receivedReading } from "./intake-messages.ts";
import {
  type ReaderOptions,
  type Submission,
  SubmissionReader,
  type SubmissionReading,
} from "./submission-reader.ts";

/** Below this (inflated) the way to a thread and back costs more than the reading. */
const LARGE_BYTES = 16 * 1024;
/** Below: inflating and reading is most of the work, more than one processor's. Above: what one answerer feeds. */
const LEAST_THREADS = 2;
const MOST_THREADS = 4;
/** The next one lies ready when a thread is done with one. */
const MOST_PER_THREAD = 2;

type Job = {
  submission: Submission;
  resolve: (reading: SubmissionReading) => void;
  reject: (error: unknown) => void;
};

export type IntakeOptions = ReaderOptions & {
  /** Start all threads at once, and warm them. Default: when large submissions come. */
  startsAtOnce?: boolean;
  /** JavaScript heap of a thread, MB. Default: as much as Node gives a process on this machine. */
  threadMemoryMb?: number;
};

type Thread = { worker: Worker; jobs: Job[] };

export class IntakePool implements AsyncDisposable {
  readonly #settings: IntakeSettings;
  readonly #threadMemoryMb: number | undefined;
  readonly #reader: SubmissionReader;
  readonly #mostThreads = Math.min(MOST_THREADS, Math.max(LEAST_THREADS, availableParallelism() - 1));
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  readonly #underWay = new Set<Promise<unknown>>();

  constructor({ startsAtOnce = false, threadMemoryMb, ...options }: IntakeOptions) {
    this.#settings = { ...options, isWarm: startsAtOnce };
    this.#threadMemoryMb = threadMemoryMb;
    this.#reader = new SubmissionReader(options);
    while (startsAtOnce && this.#threads.size < this.#mostThreads) this.#startThread().worker.unref();
  }

  /** Rejects when a thread died of it. The submission's bytes are gone afterwards. */
  async read(submission: Submission): Promise<SubmissionReading> {
    if (isSmall(submission)) return this.#reader.read(submission);
    const reading = new Promise<SubmissionReading>((resolve, reject) => {
      this.#waiting.push({ submission, resolve, reject });
      this.#dispatch();
    });
    const ended: Promise<unknown> = reading
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(ended));
    this.#underWay.add(ended);
    return reading;
  }

  #dispatch(): void {
    for (;;) {
      const thread = this.#waiting.length > 0 ? this.#freeThread() : undefined;
      const job = thread && this.#waiting.shift();
      if (thread === undefined || job === undefined) return;
      thread.jobs.push(job);
      thread.worker.ref();
      const request: IntakeRequest = job.submission;
      const moved = request.chunks.filter(movable).map(({ buffer }) => buffer);
      thread.worker.postMessage(request, moved);
    }
  }

  /** The least busy thread, a new one where all are busy and there may be more; undefined = all are full. */
  #freeThread(): Thread | undefined {
    const [least] = [...this.#threads].sort((a, b) => a.jobs.length - b.jobs.length);
    if (least?.jobs.length === 0) return least;
    if (this.#threads.size < this.#mostThreads) return this.#startThread();
    return least !== undefined && least.jobs.length < MOST_PER_THREAD ? least : undefined;
  }

  #startThread(): Thread {
    // Sources run as they are, and the build turns .ts into .js.
    const entry = new URL(`./intake-worker${extname(import.meta.filename)}`, import.meta.url);
    const limits = this.#threadMemoryMb;
    const worker = new Worker(entry, {
      workerData: this.#settings,
      name: "run-api intake",
      ...(limits === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: limits } }),
    });
    const thread: Thread = { worker, jobs: [] };
    thread.worker.on("message", (reading: SubmissionReading) => {
      thread.jobs.shift()?.resolve(receivedReading(reading));
      // An idle thread keeps no process alive.
      if (thread.jobs.length === 0) thread.worker.unref();
      this.#dispatch();
    });
    thread.worker.on("error", (error) => this.#bury(thread, error));
    thread.worker.on("exit", () => this.#bury(thread, new Error("the thread has ended")));
    this.#threads.add(thread);
    return thread;
  }

  #bury(thread: Thread, cause: unknown): void {
    if (!this.#threads.delete(thread)) return;
    const [culprit, ...others] = thread.jobs.splice(0);
    if (isOutOfMemory(cause)) {
      const detail = "This body can't be read: it takes more memory than one submission may have";
      culprit?.resolve({ ok: false, answer: detailAnswer(413, detail) });
    } else culprit?.reject(new LachesisError("INTERNAL", "reading a submission failed", { cause }));
    for (const { reject } of others) {
      reject(
        new LachesisError("INTERNAL", "reading was cut short by another submission", { retryable: true }),
      );
    }
    this.#dispatch();
  }

  /** Waits for what is being read. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#underWay);
    const threads = [...this.#threads];
    this.#threads.clear();
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }
}

function isSmall({ chunks, isZipped }: Submission): boolean {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (!isZipped) return length < LARGE_BYTES;
  // What it says of its size may be a lie, but not a large one for so few bytes.
  return length < LARGE_BYTES / 4 && (claimedBytes(joined(chunks)) ?? LARGE_BYTES) < LARGE_BYTES;
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
}
