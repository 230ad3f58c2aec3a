/**
 * Samples from a tiny policy on threads of its own, so that whoever asks is never kept by it. A session stays with
 * one thread, where its next turn finds what was read already.
 *
 * What a request with a seed becomes follows from the request and the weights alone. Those without one draw theirs
 * from the engine's in the order in which they come.
 */
import { z } from "zod";
import type { CallOptions } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { GenerateRequest, Generation, TokenServer } from "../contracts/token-server.ts";
import { promptProblem } from "../practice/bad-request.ts";
import { parameterCount } from "./engine/parameters.ts";
import type { TransformerConfig } from "./engine/transformer-config.ts";
import { PolicyThread } from "./policy-thread.ts";
import type { SampledTokens } from "./sequence-batcher.ts";
import type { PolicyWeights } from "./weights-file.ts";

export type PolicyEngineOptions = {
  weights: PolicyWeights;
  /** As `loadTokenizer` knows it; its EOS ends sequences, and it reads stop strings. Default "tiny-policy". */
  tokenizer?: string;
  /** Default 1. */
  threads?: number;
  /** Sequences that run at once, and whose tokens are remembered, per thread. Default 256. */
  slots?: number;
  /** For requests without one. Default 0. */
  seed?: number;
};

/** In whole: what is left out elsewhere has a value here. */
const sampleSettings = z.object({
  n: z.int().min(1).max(1024),
  temperature: z.number().min(0),
  topP: z.number().gt(0).max(1),
  topK: z.int().min(0),
  minP: z.number().min(0).max(1),
  repetitionPenalty: z.number().gt(0),
  /** Null = as many as the context holds. */
  maxTokens: z.int().min(1).nullable(),
  stop: z.array(z.string().min(1)).readonly(),
  stopTokenIds: z.array(z.int()).readonly(),
  seed: z.int().nullable(),
  /** How many of the likeliest tokens to tell beside each sampled one. */
  topLogprobs: z.int().min(0),
});

export type SampleSettings = z.output<typeof sampleSettings>;

export type SampleRequest = SampleSettings & { inputIds: readonly number[]; sessionId: string };

export type PolicyStatistics = {
  running: number;
  waiting: number;
  sampledTokens: number;
  readTokens: number;
  cachedTokens: number;
  steps: number;
  /** Of all threads together, milliseconds. */
  busyMs: number;
};

export class PolicyEngine implements TokenServer, AsyncDisposable {
  readonly config: TransformerConfig;
  readonly #threads: readonly PolicyThread[];
  readonly #seed: number;
  #version: number;
  #lastJob = 0;
  #unseeded = 0;

  private constructor(
    { config, version }: PolicyWeights,
    { threads, seed }: { threads: readonly PolicyThread[]; seed: number },
  ) {
    this.config = config;
    this.#version = version;
    this.#threads = threads;
    this.#seed = seed;
  }

  /**
   * Ready when its threads are. Rejects with WEIGHTS_INVALID when weights and tokenizer have not as many ids, with
   * POLICY_ENGINE_ENDED when a thread doesn't come up, or with the signal's reason.
   */
  static async start(
    { weights, tokenizer = "tiny-policy", threads: count = 1, slots = 256, seed = 0 }: PolicyEngineOptions,
    { signal }: { signal: AbortSignal },
  ): Promise<PolicyEngine> {
    signal.throwIfAborted();
    requireCount(weights.weights, weights.config);
    const threads = Array.from({ length: count }, () => new PolicyThread({ weights, slots, tokenizer }));
    const engine = new PolicyEngine(weights, { threads, seed });
    try {
      const sizes = await Promise.all(threads.map(({ ready }) => ready));
      signal.throwIfAborted();
      const { vocabulary_size: expected } = weights.config;
      const other = sizes.find((size) => size !== expected);
      if (other === undefined) return engine;
      throw new LachesisError(
        "WEIGHTS_INVALID",
        `The weights are for ${expected} ids, the tokenizer ${tokenizer} has ${other}.`,
      );
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Of the weights that requests of now are sampled from. */
  get version(): number {
    return this.#version;
  }

  /** Why nothing is sampled any more; null while all is well. */
  get failure(): LachesisError | null {
    return this.#threads.find(({ failure }) => failure !== null)?.failure ?? null;
  }

  /** As of the last answers. */
  statistics(): PolicyStatistics {
    const sum: PolicyStatistics = {
      running: 0,
      waiting: 0,
      sampledTokens: 0,
      readTokens: 0,
      cachedTokens: 0,
      steps: 0,
      busyMs: 0,
    };
    for (const { statistics } of this.#threads) {
      sum.running += statistics?.running ?? 0;
      sum.waiting += statistics?.waiting ?? 0;
      sum.sampledTokens += statistics?.sampledTokens ?? 0;
      sum.readTokens += statistics?.readTokens ?? 0;
      sum.cachedTokens += statistics?.cachedTokens ?? 0;
      sum.steps += statistics?.steps ?? 0;
      sum.busyMs += statistics?.busyMs ?? 0;
    }
    return sum;
  }

  /**
   * Rejects with INFERENCE_CONTEXT_FULL, INFERENCE_REJECTED for what can't be sampled, POLICY_ENGINE_ENDED, or the
   * signal's reason: aborting takes the sequences out of the batch.
   */
  async sample(request: SampleRequest, { signal }: { signal: AbortSignal }): Promise<SampledTokens[]> {
    signal.throwIfAborted();
    const { inputIds, sessionId } = request;
    this.#checkPrompt(inputIds);
    const { n, seed, ...settings } = readSettings(request);
    const seeds = this.#seeds(seed, n);
    const thread = this.#threads[hashOf(sessionId) % this.#threads.length];
    if (thread === undefined) throw new LachesisError("INTERNAL", "a policy engine without threads");
    this.#lastJob += 1;
    const job = this.#lastJob;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => {
      thread.cancel(job);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const sampled = thread.sample({ job, session: sessionId, inputIds, seeds, ...settings });
      return await Promise.race([sampled, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** As `sample`. */
  async generate(
    { inputIds, sampling, sessionId }: GenerateRequest,
    options: CallOptions,
  ): Promise<Generation[]> {
    const sampled = await this.sample(
      {
        inputIds,
        sessionId,
        n: sampling.n,
        temperature: sampling.temperature,
        topP: sampling.top_p,
        topK: sampling.top_k,
        minP: sampling.min_p,
        repetitionPenalty: sampling.repetition_penalty,
        maxTokens: sampling.max_tokens,
        stop: sampling.stop,
        stopTokenIds: sampling.stop_token_ids,
        seed: sampling.seed,
        topLogprobs: 0,
      },
      options,
    );
    return sampled.map(({ ids, logprobs, finish, stopReason, version }) => ({
      ids,
      logprobs,
      logprobKind: "raw",
      finishReason: finish,
      stopReason,
      versions: ids.map(() => version),
    }));
  }

  /**
   * Done when every thread samples from them: what runs ends on the old weights, what waits begins on the new ones.
   * Rejects with WEIGHTS_INVALID, changing nothing, or POLICY_ENGINE_ENDED.
   */
  async updateWeights(weights: Float32Array, version: number): Promise<void> {
    requireCount(weights, this.config);
    await Promise.all(this.#threads.map((thread) => thread.changeWeights(weights, version)));
    this.#version = version;
  }

  /** Done when nothing runs any more; what comes waits for `resume`. */
  async pause(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.pause()));
  }

  resume(): void {
    for (const thread of this.#threads) thread.resume();
  }

  /** What is still being sampled rejects with POLICY_ENGINE_ENDED. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.stop()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkPrompt(inputIds: readonly number[]): void {
    const { vocabulary_size: vocabularySize, context_length: contextLength } = this.config;
    if (inputIds.length === 0) throw rejected("a prompt needs at least one token");
    const broken = inputIds.find((id) => !Number.isInteger(id) || id < 0);
    if (broken !== undefined) throw rejected(`${broken} is no token id`);
    const problem = promptProblem(inputIds, { vocabularySize, contextLength });
    if (problem?.kind === "too-long") throw new LachesisError("INFERENCE_CONTEXT_FULL", problem.message);
    if (problem !== null) throw rejected(problem.message);
  }

  #seeds(seed: number | null, count: number): number[] {
    let base = mixed(2, seed ?? 0);
    if (seed === null) {
      this.#unseeded += 1;
      base = mixed(mixed(1, this.#seed), this.#unseeded);
    }
    return Array.from({ length: count }, (_, index) => mixed(base, index));
  }
}

function readSettings(request: SampleRequest): SampleSettings {
  const settings = sampleSettings.safeParse(request);
  if (settings.success) return settings.data;
  throw rejected(
    settings.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "),
  );
}

function requireCount({ length }: Float32Array, config: TransformerConfig): void {
  const expected = parameterCount(config);
  if (length === expected) return;
  throw new LachesisError("WEIGHTS_INVALID", `Expected ${expected} weights, got ${length}.`);
}

const rejected = (message: string) => new LachesisError("INFERENCE_REJECTED", message);

/** A 32-bit number that depends on all bits of both (murmur3's mixing). */
function mixed(one: number, other: number): number {
  const high = Math.floor(other / 2 ** 32);
  let hash =
    Math.imul(one ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(other ^ Math.imul(high, 0x27d4eb2f), 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function hashOf(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index += 1) hash = mixed(hash, text.charCodeAt(index));
  return hash;
}
