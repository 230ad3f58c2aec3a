/**
 * Gradients on worker threads. A batch is cut into a fixed number of shards, each shard is computed by itself, and
 * their gradients are summed in the order of the shards: the result is the same to the bit with one thread or eight.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { LachesisError } from "../contracts/errors.ts";
import type { TransformerConfig } from "../tiny-policy/engine/transformer-config.ts";
import { addTo, type Objective, type ShardResult, type ShardSequence, type ShardTask } from "./shard.ts";

export type GradientPoolOptions = {
  config: TransformerConfig;
  /** Parts of a batch. Changes how sums are rounded, so keep it for runs that are to be compared. */
  shards: number;
  /** How many are computed at a time. Changes nothing but time. */
  threads: number;
  /** Tokens that go through the model at once: bounds a thread's memory. */
  tokensPerPass: number;
};

export type PoolResult = {
  /** Null where the objective asks for none, and of an empty batch. */
  gradient: Float32Array | null;
  loss: number;
  clipped: number;
  divergence: number;
  /** Log-probabilities of each sequence's trained ids, in the order in which the sequences were given. */
  logprobs: Float32Array[];
};

export type PoolCall = { weights: Float32Array; objective: Objective; signal: AbortSignal };

/** What a thread is started with, and what it is sent. Weights come with the first shard of a batch. */
export type GradientWorkerData = { config: TransformerConfig };
export type GradientOrder = { weights?: Float32Array; task: ShardTask };

type Thread = { worker: Worker; fail: ((error: unknown) => void) | null };

export class GradientPool implements AsyncDisposable {
  readonly #options: GradientPoolOptions;
  readonly #threads = new Set<Thread>();
  #isBusy = false;
  #isClosed = false;

  constructor(options: GradientPoolOptions) {
    this.#options = options;
  }

  /**
   * Computes a batch; one at a time. Rejects with TRAINER_THREAD_FAILED when a thread died of it (the next call
   * starts another), or with the signal's reason: threads that are at work are then stopped.
   */
  async run(
    sequences: readonly ShardSequence[],
    { weights, objective, signal }: PoolCall,
  ): Promise<PoolResult> {
    signal.throwIfAborted();
    if (this.#isClosed) throw new LachesisError("INTERNAL", "the gradient threads are closed");
    if (this.#isBusy) throw new LachesisError("INTERNAL", "the gradient threads compute one batch at a time");
    this.#isBusy = true;
    const stop = Promise.withResolvers<never>();
    stop.promise.catch(() => undefined);
    const onAbort = () => stop.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const shards = splitIntoShards(sequences, this.#options.shards);
      const waiting = [...shards.entries()];
      const results: ShardResult[] = [];
      const drain = async (thread: Thread) => {
        let order: Pick<GradientOrder, "weights"> = { weights };
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const [index, shard] = next;
          const task: ShardTask = {
            sequences: shard.map((at) => sequences[at]).filter((sequence) => sequence !== undefined),
            objective,
            tokensPerPass: this.#options.tokensPerPass,
          };
          results[index] = await this.#order(thread, { ...order, task });
          order = {};
        }
      };
      const threads = this.#takeThreads(Math.min(this.#options.threads, shards.length));
      await Promise.race([stop.promise, Promise.all(threads.map(drain))]);
      return combine(sequences, shards, results);
    } catch (error) {
      await this.#stopThreads();
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#isBusy = false;
    }
  }

  #takeThreads(count: number): Thread[] {
    while (this.#threads.size < count) this.#threads.add(this.#startThread());
    return [...this.#threads].slice(0, count);
  }

  #order(thread: Thread, order: GradientOrder): Promise<ShardResult> {
    const { promise, resolve, reject } = Promise.withResolvers<ShardResult>();
    const { worker } = thread;
    const onMessage = (result: ShardResult) => {
      thread.fail = null;
      // One that is being stopped holds the process until it has ended.
      if (this.#threads.has(thread)) worker.unref();
      resolve(result);
    };
    thread.fail = (error) => {
      worker.off("message", onMessage);
      reject(error);
    };
    worker.once("message", onMessage);
    worker.ref();
    worker.postMessage(order);
    return promise;
  }

  #startThread(): Thread {
    // Sources run as they are, and the build turns .ts into .js.
    const entry = new URL(`./gradient-worker${extname(import.meta.filename)}`, import.meta.url);
    const workerData: GradientWorkerData = { config: this.#options.config };
    const thread: Thread = { worker: new Worker(entry, { workerData, name: "gradient" }), fail: null };
    const bury = (cause: unknown) => {
      this.#threads.delete(thread);
      const reason = cause instanceof Error ? cause.message : String(cause);
      thread.fail?.(
        new LachesisError("TRAINER_THREAD_FAILED", `computing a gradient on a thread failed: ${reason}`, {
          cause,
        }),
      );
    };
    thread.worker.on("error", bury);
    thread.worker.on("exit", (code) => bury(new Error(`the thread ended with code ${code}`)));
    thread.worker.unref();
    return thread;
  }

  async #stopThreads(): Promise<void> {
    const threads = [...this.#threads];
    this.#threads.clear();
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }

  /** Stops all threads; a batch that is being computed fails. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#stopThreads();
  }
}

/**
 * Indices of the sequences of each shard, about equal in tokens: the longest first, each to the shard that has the
 * fewest, the first of equals. Empty shards are left out; within a shard sequences keep their order.
 */
export function splitIntoShards(sequences: readonly ShardSequence[], count: number): number[][] {
  const shards = Array.from({ length: count }, () => ({ tokens: 0, members: [] as number[] }));
  const byLength = sequences
    .map(({ tokens }, index) => ({ index, tokens: tokens.length }))
    .sort((left, right) => right.tokens - left.tokens || left.index - right.index);
  for (const { index, tokens } of byLength) {
    const smallest = shards.reduce((best, shard) => (shard.tokens < best.tokens ? shard : best));
    smallest.tokens += tokens;
    smallest.members.push(index);
  }
  return shards
    .map(({ members }) => members.sort((left, right) => left - right))
    .filter((members) => members.length > 0);
}

function combine(
  sequences: readonly ShardSequence[],
  shards: readonly (readonly number[])[],
  results: readonly ShardResult[],
): PoolResult {
  const whole: PoolResult = { gradient: null, loss: 0, clipped: 0, divergence: 0, logprobs: [] };
  for (const [index, shard] of shards.entries()) {
    const result = results[index];
    if (result === undefined) throw new LachesisError("INTERNAL", `shard ${index} was never computed`);
    whole.loss += result.loss;
    whole.clipped += result.clipped;
    whole.divergence += result.divergence;
    if (whole.gradient === null) whole.gradient = result.gradient;
    else if (result.gradient !== null) addTo(whole.gradient, result.gradient);
    let at = 0;
    for (const member of shard) {
      const count = sequences[member]?.positions.length ?? 0;
      whole.logprobs[member] = result.logprobs.subarray(at, at + count);
      at += count;
    }
  }
  return whole;
}
