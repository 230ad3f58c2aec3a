/** The near side of one policy thread: jobs and changes go out, and whoever waits hears of it. */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { LachesisError } from "../contracts/errors.ts";
import type { PolicyReply, PolicyRequest, PolicyWorkerData, ThreadStatistics } from "./policy-messages.ts";
import type { SampledTokens, SampleJob } from "./sequence-batcher.ts";

type Waiter<Result> = { resolve: (result: Result) => void; reject: (error: unknown) => void };

export class PolicyThread {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Waiter<SampledTokens[]>>();
  readonly #tickets = new Map<number, Waiter<void>>();
  readonly #ready = Promise.withResolvers<number>();
  #lastTicket = 0;
  #statistics: ThreadStatistics | null = null;
  #failure: LachesisError | null = null;

  constructor(data: PolicyWorkerData) {
    // Sources run as they are, and the build turns .ts into .js.
    const entry = new URL(`./policy-worker${extname(import.meta.filename)}`, import.meta.url);
    this.#worker = new Worker(entry, { workerData: data, name: "tiny policy" });
    // Whoever starts it may look later.
    this.#ready.promise.catch(() => undefined);
    this.#worker.on("message", (message: PolicyReply) => this.#take(message));
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", (code) => this.#end(new Error(`the thread has ended (exit code ${code})`)));
  }

  /** How many ids the thread's tokenizer has. Rejects when the thread doesn't come up. */
  get ready(): Promise<number> {
    return this.#ready.promise;
  }

  /** Why the thread answers no more; null while it does. */
  get failure(): LachesisError | null {
    return this.#failure;
  }

  /** As of the last job that was done; null before. */
  get statistics(): ThreadStatistics | null {
    return this.#statistics;
  }

  sample(job: SampleJob): Promise<SampledTokens[]> {
    return this.#send(this.#jobs, job.job, { kind: "sample", job });
  }

  /** Nobody waits for the job any more. */
  cancel(job: number): void {
    if (this.#jobs.delete(job)) this.#post({ kind: "cancel", job });
  }

  changeWeights(weights: Float32Array, version: number): Promise<void> {
    const ticket = this.#nextTicket();
    return this.#send(this.#tickets, ticket, { kind: "weights", ticket, weights, version });
  }

  pause(): Promise<void> {
    const ticket = this.#nextTicket();
    return this.#send(this.#tickets, ticket, { kind: "pause", ticket });
  }

  resume(): void {
    this.#post({ kind: "resume" });
  }

  async stop(): Promise<void> {
    this.#end(new Error("it was closed"));
    await this.#worker.terminate();
  }

  async #send<Result>(
    waiters: Map<number, Waiter<Result>>,
    key: number,
    request: PolicyRequest,
  ): Promise<Result> {
    if (this.#failure !== null) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    waiters.set(key, { resolve, reject });
    this.#post(request);
    return promise;
  }

  #post(request: PolicyRequest): void {
    this.#worker.postMessage(request);
  }

  #nextTicket(): number {
    this.#lastTicket += 1;
    return this.#lastTicket;
  }

  #take(message: PolicyReply): void {
    switch (message.kind) {
      case "ready":
        this.#ready.resolve(message.vocabularySize);
        break;
      case "finished":
        this.#statistics = message.statistics;
        for (const { job, sequences } of message.jobs) {
          this.#jobs.get(job)?.resolve(sequences);
          this.#jobs.delete(job);
        }
        break;
      case "done":
        this.#tickets.get(message.ticket)?.resolve();
        this.#tickets.delete(message.ticket);
        break;
      default:
        message satisfies never;
    }
  }

  #end(cause: Error): void {
    if (this.#failure !== null) return;
    this.#failure = new LachesisError(
      "POLICY_ENGINE_ENDED",
      `The tiny policy samples no more: ${cause.message}.`,
      {
        cause,
      },
    );
    this.#ready.reject(this.#failure);
    for (const { reject } of [...this.#jobs.values(), ...this.#tickets.values()]) reject(this.#failure);
    this.#jobs.clear();
    this.#tickets.clear();
  }
}
