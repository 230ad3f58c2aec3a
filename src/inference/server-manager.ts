/**
 * One ChatServer over one or more inference servers. A request is split into calls of at most
 * `maxCompletionsPerCall` completions; each call takes a slot of the least-loaded healthy server (train and
 * eval are counted apart), and after a failure is tried again elsewhere, with growing pauses. Waiting is
 * first come, first served and ends with the caller's signal, with the manager, or, when no server has
 * been healthy for the longest `timeout`, with an error.
 */
import type { Logger } from "pino";
import type { CallOptions, ChatCompletion, ChatRequest, ChatServer, Split } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import { type Clock, systemClock } from "./clock.ts";
import { createInferenceServer } from "./create-inference-server.ts";
import { defaultHealthPolicy, type HealthPolicy, PooledServer } from "./pooled-server.ts";
import { defaultRetryPolicy, type RetryPolicy, RetryState } from "./retry-policy.ts";
import type { ServerConfig } from "./server-config.ts";
import { ServerFailure } from "./server-failure.ts";
import { SlotPool } from "./slot-pool.ts";
import { mergeCompletions, splitRequest } from "./split-request.ts";

export type ServerManagerOptions = {
  servers: readonly ServerConfig[];
  logger: Logger;
  /** Completions asked for in one HTTP request; more are split. Default 8. */
  maxCompletionsPerCall?: number;
  retry?: Partial<RetryPolicy>;
  health?: Partial<HealthPolicy>;
  /** Once it aborts the run is ending: nobody waits any longer for a server that is away. */
  stopping?: AbortSignal;
  /** Told once per outage, in words for people; the log has it too. */
  onNotice?: (notice: { level: "warn" | "info"; message: string }) => void;
  clock?: Clock;
  /** Uniform in [0, 1): spreads retries. */
  random?: () => number;
};

type Attempts = { signal: AbortSignal; split: Split };

export class ServerManager implements ChatServer, AsyncDisposable {
  readonly #servers: readonly PooledServer[];
  readonly #pool: SlotPool<PooledServer>;
  readonly #maxCompletionsPerCall: number;
  readonly #retry: RetryPolicy;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #logger: Logger;
  readonly #onNotice: ServerManagerOptions["onNotice"];
  readonly #unavailableLimitSeconds: number;
  readonly #stopping: AbortSignal | undefined;
  readonly #onStopping = () => this.#pool.hurry();
  readonly #closing = new AbortController();
  #outageNoticed = false;
  #closed: Promise<void> | undefined;

  constructor(options: ServerManagerOptions) {
    const { servers, logger, maxCompletionsPerCall = 8, clock = systemClock, random = Math.random } = options;
    if (servers.length === 0) {
      throw new LachesisError(
        "CONFIG_INVALID",
        "ServerManager needs at least one inference server; got none.",
      );
    }
    if (!Number.isInteger(maxCompletionsPerCall) || maxCompletionsPerCall < 1) {
      const message = `maxCompletionsPerCall is a whole number from 1; got ${maxCompletionsPerCall}.`;
      throw new LachesisError("CONFIG_INVALID", message);
    }
    this.#maxCompletionsPerCall = maxCompletionsPerCall;
    this.#retry = { ...defaultRetryPolicy, ...options.retry };
    this.#clock = clock;
    this.#random = random;
    this.#logger = logger;
    this.#onNotice = options.onNotice;
    this.#unavailableLimitSeconds = Math.max(...servers.map(({ timeout }) => timeout));
    this.#servers = servers.map(
      (config) =>
        new PooledServer({
          server: createInferenceServer(config, { clock }),
          config,
          policy: { ...defaultHealthPolicy, ...options.health },
          clock,
          logger,
          closing: this.#closing.signal,
          onHealthChange: () => this.#healthChanged(),
        }),
    );
    this.#pool = new SlotPool({
      members: this.#servers,
      unavailableLimitMs: this.#unavailableLimitSeconds * 1000,
      unavailableError: () => this.#unavailable(),
      onUnavailable: () => this.#noticeOutage(),
    });
    this.#stopping = options.stopping;
    if (this.#stopping?.aborted) this.#pool.hurry();
    else this.#stopping?.addEventListener("abort", this.#onStopping, { once: true });
  }

  async chatCompletion(
    request: ChatRequest,
    { signal, split = "train" }: CallOptions,
  ): Promise<ChatCompletion> {
    signal.throwIfAborted();
    const siblings = new AbortController();
    const options = { split, signal: AbortSignal.any([signal, this.#closing.signal, siblings.signal]) };
    const count = request.n ?? 1;
    const chunkSize = this.#servers.some(({ ignoresN }) => ignoresN) ? 1 : this.#maxCompletionsPerCall;
    try {
      return mergeCompletions(
        await Promise.all(
          splitRequest(request, count, chunkSize).map((chunk) => this.#sample(chunk, options)),
        ),
      );
    } catch (thrown) {
      // What the other chunks would bring is of no use any more.
      siblings.abort(thrown);
      throw thrown;
    }
  }

  /** Share of the train slots to use, 0 to 1, as the rollout API weighs this environment; one slot stays. */
  setWeight(weight: number): void {
    if (!(weight >= 0 && weight <= 1)) {
      throw new LachesisError("CONFIG_INVALID", `A server weight lies between 0 and 1; got ${weight}.`);
    }
    this.#pool.setWeight(weight);
  }

  /** Atropos' names: `server/server_<i>_request_time_avg` and so on, times in seconds. */
  metrics(): Record<string, number> {
    return Object.assign(
      {},
      ...this.#servers.map(({ statistics }, index) => statistics.metrics(`server/server_${index}_`)),
    );
  }

  /** Asks every server once whether it is up: what is wrong with those that are not, by base URL. */
  async check({
    signal,
  }: {
    signal: AbortSignal;
  }): Promise<{ baseUrl: string; error: LachesisError | null }[]> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    const answers = this.#servers.map(async ({ server }) => ({
      baseUrl: server.baseUrl,
      error: await server.probe({ signal: either }),
    }));
    const checked = await Promise.all(answers);
    either.throwIfAborted();
    return checked;
  }

  /** Breaks off what is in flight, turns away who waits, stops the probing and closes the connections. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One chunk, made whole by single requests when the server turns out to answer one completion only. */
  async #sample(request: ChatRequest, options: Attempts): Promise<ChatCompletion> {
    const first = await this.#answer(request, options);
    const missing = (request.n ?? 1) - first.choices.length;
    if (missing === 0) return first;
    const rest = splitRequest(request, request.n ?? 1, 1).slice(1);
    return mergeCompletions([
      first,
      ...(await Promise.all(rest.map((single) => this.#answer(single, options)))),
    ]);
  }

  async #answer(request: ChatRequest, options: Attempts): Promise<ChatCompletion> {
    const { signal, split } = options;
    const retries = new RetryState(this.#retry, this.#random);
    const failed = new Set<PooledServer>();
    let startedMs: number | undefined;
    for (;;) {
      const slot = await this.#pool.acquire({ split, signal, avoid: failed });
      const chosen = slot.member;
      let failure: ServerFailure;
      try {
        startedMs ??= this.#clock.now();
        const completion = await this.#attempt(chosen, request, signal);
        const durationMs = this.#clock.now() - startedMs;
        chosen.statistics.record(split, { durationMs, attempts: retries.failedAttempts + 1 });
        return completion;
      } catch (thrown) {
        signal.throwIfAborted();
        if (!(thrown instanceof ServerFailure)) throw thrown;
        failure = thrown;
      } finally {
        slot.release();
      }
      failed.add(chosen);
      const delayMs = retries.delayAfter(failure);
      if (delayMs === null) throw this.#finalError(chosen, failure, retries.failedAttempts);
      this.#logger.debug(
        { event: "request-retry", baseUrl: chosen.server.baseUrl, delayMs, cause: failure.message },
        "inference request failed and will be tried again",
      );
      await this.#clock.sleep(delayMs, { signal });
    }
  }

  async #attempt(chosen: PooledServer, request: ChatRequest, signal: AbortSignal): Promise<ChatCompletion> {
    // Every free server asked for a pause: the slot is kept, for this one gets nothing else to do.
    const pauseMs = chosen.pauseMs();
    if (pauseMs > 0) await this.#clock.sleep(pauseMs + this.#retry.firstDelayMs * this.#random(), { signal });
    try {
      const completion = await chosen.server.complete(request, { signal });
      this.#checkCount(chosen, completion, request.n ?? 1);
      chosen.recordAnswer();
      return completion;
    } catch (thrown) {
      if (!signal.aborted && thrown instanceof ServerFailure) this.#noteFailure(chosen, thrown);
      throw thrown;
    }
  }

  #checkCount(chosen: PooledServer, completion: ChatCompletion, expected: number): void {
    const count = completion.choices.length;
    if (count === expected) return;
    const { baseUrl } = chosen.server;
    if (count !== 1) {
      throw new ServerFailure(
        "malformed",
        `${baseUrl} answered ${count} choices where n=${expected} were asked for`,
      );
    }
    chosen.ignoresN = true;
    this.#logger.info(
      { event: "server-ignores-n", baseUrl },
      "inference server ignores `n`: asking one by one",
    );
  }

  #noteFailure(chosen: PooledServer, failure: ServerFailure): void {
    if (failure.retryAfterMs !== undefined) {
      chosen.pauseFor(Math.min(failure.retryAfterMs, this.#retry.maxRetryAfterMs));
    }
    if (!failure.retryable || failure.kind === "rate-limited") chosen.recordAnswer();
    else chosen.recordFailure(failure);
  }

  #finalError(chosen: PooledServer, failure: ServerFailure, attempts: number): LachesisError {
    if (!failure.retryable) return failure;
    const { baseUrl } = chosen.server;
    return new LachesisError(
      failure.code,
      `No usable answer from ${baseUrl} after ${attempts} attempts; the last: ${failure.message}`,
      { cause: failure, retryable: true },
    );
  }

  #healthChanged(): void {
    if (this.#servers.some(({ available }) => available)) this.#endOutage();
    this.#pool.membersChanged();
  }

  #noticeOutage(): void {
    if (this.#outageNoticed) return;
    this.#outageNoticed = true;
    const message = `No inference server answers (${this.#urls()}); requests wait up to ${this.#unavailableLimitSeconds} s for one.`;
    this.#logger.warn({ event: "inference-outage" }, message);
    this.#onNotice?.({ level: "warn", message });
  }

  #endOutage(): void {
    if (!this.#outageNoticed) return;
    this.#outageNoticed = false;
    this.#onNotice?.({ level: "info", message: "An inference server answers again." });
  }

  #unavailable(): LachesisError {
    const causes = this.#servers.map(({ server, lastFailure }) => lastFailure?.message ?? server.baseUrl);
    const waited = this.#stopping?.aborted
      ? "is healthy, and the run is stopping"
      : `became healthy within ${this.#unavailableLimitSeconds} s`;
    return new LachesisError("INFERENCE_UNREACHABLE", `No inference server ${waited}: ${causes.join("; ")}`, {
      retryable: true,
      cause: this.#servers.at(-1)?.lastFailure,
    });
  }

  #urls(): string {
    return this.#servers.map(({ server }) => server.baseUrl).join(", ");
  }

  async #close(): Promise<void> {
    const reason = new LachesisError("INFERENCE_CLOSED", `The server manager of ${this.#urls()} was closed.`);
    this.#stopping?.removeEventListener("abort", this.#onStopping);
    this.#closing.abort(reason);
    this.#pool.close(reason);
    await Promise.all(this.#servers.map((pooled) => pooled.probingStopped()));
    await Promise.all(this.#servers.map(({ server }) => server[Symbol.asyncDispose]()));
  }
}
