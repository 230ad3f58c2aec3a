/**
 * Encodes long texts on threads, so that the one that serves everybody isn't kept by them. A thread starts when
 * all others are busy, loads the tokenizer once, and keeps no process alive while it is idle.
 */
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { LachesisError } from "../contracts/errors.ts";

/** What a thread is started with: the files of the tokenizer. */
export type EncodeWorkerData = { definition: string; config: object };

const MOST_THREADS = 2;

type Job = { text: string; resolve: (ids: number[]) => void; reject: (error: unknown) => void };
type Thread = { worker: Worker; job: Job | null };

export class EncodeThreads implements AsyncDisposable {
  readonly #data: EncodeWorkerData;
  readonly #mostThreads = Math.max(1, Math.min(MOST_THREADS, availableParallelism() - 1));
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(data: EncodeWorkerData) {
    this.#data = data;
  }

  /** Rejects with INTERNAL when a thread died of it, or after the threads were closed. */
  async encode(text: string): Promise<number[]> {
    if (this.#isClosed) throw new LachesisError("INTERNAL", "the tokenizer's threads are closed");
    const { promise, resolve, reject } = Promise.withResolvers<number[]>();
    const ended: Promise<unknown> = promise
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(ended));
    this.#underWay.add(ended);
    this.#waiting.push({ text, resolve, reject });
    this.#dispatch();
    return promise;
  }

  #dispatch(): void {
    for (;;) {
      const thread = this.#waiting.length > 0 ? this.#freeThread() : undefined;
      const job = thread && this.#waiting.shift();
      if (thread === undefined || job === undefined) return;
      thread.job = job;
      thread.worker.ref();
      thread.worker.postMessage(job.text);
    }
  }

  #freeThread(): Thread | undefined {
    for (const thread of this.#threads) if (thread.job === null) return thread;
    return this.#threads.size < this.#mostThreads ? this.#startThread() : undefined;
  }

  #startThread(): Thread {
    // Sources run as they are, and the build turns .ts into .js.
    const entry = new URL(`./encode-worker${extname(import.meta.filename)}`, import.meta.url);
    const worker = new Worker(entry, { workerData: this.#data, name: "tokenizer" });
    const thread: Thread = { worker, job: null };
    worker.on("message", (ids: Int32Array) => {
      const { job } = thread;
      thread.job = null;
      worker.unref();
      job?.resolve(Array.from(ids));
      this.#dispatch();
    });
    worker.on("error", (error) => this.#bury(thread, error));
    worker.on("exit", () => this.#bury(thread, new Error("the thread has ended")));
    this.#threads.add(thread);
    return thread;
  }

  #bury(thread: Thread, cause: unknown): void {
    if (!this.#threads.delete(thread)) return;
    thread.job?.reject(new LachesisError("INTERNAL", "encoding a text on a thread failed", { cause }));
    this.#dispatch();
  }

  /** Waits for what is being encoded, then stops all threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#underWay);
    const threads = [...this.#threads];
    this.#threads.clear();
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }
}
