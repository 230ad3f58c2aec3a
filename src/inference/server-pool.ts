/**
 * One or more inference servers of one kind behind one door: what chat and token servers have in common. A
 * request is split into calls of at most `maxCompletionsPerCall` samples; each call takes a slot of the
 * least-loaded healthy server (train and eval are counted apart; a session's last server comes first), and
 * after a failure is tried again elsewhere, with growing pauses. Waiting is first come, first served and ends
 * with the caller's signal, with the pool, or, when no server has been healthy for the longest `timeout`, with
 * an error.
 */
import type { Logger } from "pino";
import type { Split } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { PoolableServer } from "./inference-server.ts";
import { type OutageNotice, OutageNotices } from "./outage-notices.ts";
import { defaultHealthPolicy, type HealthPolicy, PooledServer } from "./pooled-server.ts";
import { defaultRetryPolicy, type RetryPolicy, RetryState } from "./retry-policy.ts";
import type { ServerConfig } from "./server-config.ts";
import { ServerFailure } from "./server-failure.ts";
import { SessionAffinity } from "./session-affinity.ts";
import { SlotPool } from "./slot-pool.ts";
import { type Part, splitIntoParts } from "./split-request.ts";

export type ServerPoolOptions = {
  servers: readonly ServerConfig[];
  logger: Logger;
  /** Completions asked for in one HTTP request; more are split. Default 8. */
  maxCompletionsPerCall?: number;
  retry?: Partial<RetryPolicy>;
  health?: Partial<HealthPolicy>;
  /** Once it aborts the run is ending: nobody waits any longer for a server that is away. */
  stopping?: AbortSignal;
  /** Told once per outage, in words for people; the log has it too. */
  onNotice?: (notice: OutageNotice) => void;
  clock?: Clock;
  /** Uniform in [0, 1): spreads retries. */
  random?: () => number;
};

/** How a number of samples is asked for, whatever the protocol. */
export type SampleCall<Server, Answer> = {
  /** Samples wanted in all. */
  count: number;
  /** One attempt to get a part of them. Rejects with a ServerFailure when another may succeed. */
  send(server: Server, part: Part, options: { signal: AbortSignal }): Promise<Answer>;
  /** Samples in an answer. */
  countOf(answer: Answer): number;
  /** True when this server must be asked for these samples one by one. */
  isOneByOne?(server: Server): boolean;
  /** Calls of one session go to one server while it is healthy and has a free slot. */
  session?: string;
};

type Attempts = { signal: AbortSignal; split: Split };

export class ServerPool<Server extends PoolableServer> implements AsyncDisposable {
  readonly #servers: readonly PooledServer<Server>[];
  readonly #slots: SlotPool<PooledServer<Server>>;
  readonly #sessions = new SessionAffinity<PooledServer<Server>>();
  readonly #maxCompletionsPerCall: number;
  readonly #retry: RetryPolicy;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #logger: Logger;
  readonly #outages: OutageNotices;
  readonly #unavailableLimitSeconds: number;
  readonly #stopping: AbortSignal | undefined;
  readonly #onStopping = () => this.#slots.hurry();
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(
    options: ServerPoolOptions,
    createServer: (config: ServerConfig, options: { clock: Clock }) => Server,
  ) {
    const { servers, logger, maxCompletionsPerCall = 8, clock = systemClock, random = Math.random } = options;
    if (servers.length === 0) {
      throw new LachesisError("CONFIG_INVALID", "A server manager needs at least one server; got none.");
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
    this.#unavailableLimitSeconds = Math.max(...servers.map(({ timeout }) => timeout));
    this.#servers = servers.map(
      (config) =>
        new PooledServer({
          server: createServer(config, { clock }),
          config,
          policy: { ...defaultHealthPolicy, ...options.health },
          clock,
          logger,
          closing: this.#closing.signal,
          onHealthChange: () => this.#healthChanged(),
        }),
    );
    this.#outages = new OutageNotices({
      urls: this.#urls(),
      unavailableLimitSeconds: this.#unavailableLimitSeconds,
      logger,
      onNotice: options.onNotice,
    });
    this.#slots = new SlotPool({
      members: this.#servers,
      unavailableLimitMs: this.#unavailableLimitSeconds * 1000,
      unavailableError: () => this.#unavailable(),
      onUnavailable: () => this.#outages.begin(),
    });
    this.#stopping = options.stopping;
    if (this.#stopping?.aborted) this.#slots.hurry();
    else this.#stopping?.addEventListener("abort", this.#onStopping, { once: true });
  }

  /** The answers to the parts of a call, in order; together they hold `count` samples. */
  async sample<Answer>(
    call: SampleCall<Server, Answer>,
    { signal, split = "train" }: { signal: AbortSignal; split?: Split | undefined },
  ): Promise<Answer[]> {
    signal.throwIfAborted();
    const { count } = call;
    if (!Number.isInteger(count) || count < 1) {
      throw new LachesisError("CONFIG_INVALID", `n is a whole number from 1; got ${count}.`);
    }
    const siblings = new AbortController();
    const options = { split, signal: AbortSignal.any([signal, this.#closing.signal, siblings.signal]) };
    const oneByOne = this.#servers.some(({ ignoresN, server }) => ignoresN || call.isOneByOne?.(server));
    const parts = splitIntoParts({ first: 0, n: count }, oneByOne ? 1 : this.#maxCompletionsPerCall);
    try {
      return (await Promise.all(parts.map((part) => this.#complete(call, part, options)))).flat();
    } catch (thrown) {
      // What the other parts would bring is of no use any more.
      siblings.abort(thrown);
      throw thrown;
    }
  }

  /** The servers themselves, in the order of their configurations. */
  get servers(): readonly Server[] {
    return this.#servers.map(({ server }) => server);
  }

  /** Share of the train slots to use, 0 to 1, as the rollout API weighs this environment; one slot stays. */
  setWeight(weight: number): void {
    if (!(weight >= 0 && weight <= 1)) {
      throw new LachesisError("CONFIG_INVALID", `A server weight lies between 0 and 1; got ${weight}.`);
    }
    this.#slots.setWeight(weight);
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
    const answers = this.servers.map(async (server) => ({
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

  /** One part, made whole by single requests when the server turns out to answer one sample only. */
  async #complete<Answer>(
    call: SampleCall<Server, Answer>,
    part: Part,
    options: Attempts,
  ): Promise<Answer[]> {
    const first = await this.#answer(call, part, options);
    if (call.countOf(first) === part.n) return [first];
    const rest = splitIntoParts({ first: part.first + 1, n: part.n - 1 }, 1);
    return [first, ...(await Promise.all(rest.map((single) => this.#answer(call, single, options))))];
  }

  async #answer<Answer>(call: SampleCall<Server, Answer>, part: Part, options: Attempts): Promise<Answer> {
    const { signal, split } = options;
    const retries = new RetryState(this.#retry, this.#random);
    const failed = new Set<PooledServer<Server>>();
    let startedMs: number | undefined;
    for (;;) {
      const prefer = call.session === undefined ? undefined : this.#sessions.get(call.session);
      const slot = await this.#slots.acquire({ split, signal, avoid: failed, prefer });
      const chosen = slot.member;
      let failure: ServerFailure;
      try {
        startedMs ??= this.#clock.now();
        const answer = await this.#attempt(chosen, call, part, signal);
        const durationMs = this.#clock.now() - startedMs;
        chosen.statistics.record(split, { durationMs, attempts: retries.failedAttempts + 1 });
        if (call.session !== undefined) this.#sessions.set(call.session, chosen);
        return answer;
      } catch (thrown) {
        signal.throwIfAborted();
        if (!(thrown instanceof ServerFailure)) throw thrown;
        failure = thrown;
      } finally {
        slot.release();
      }
      failed.add(chosen);
      const delayMs = retries.delayAfter(failure);
      if (delayMs === null) throw finalError(chosen.server, failure, retries.failedAttempts);
      this.#logger.debug(
        { event: "request-retry", baseUrl: chosen.server.baseUrl, delayMs, cause: failure.message },
        "inference request failed and will be tried again",
      );
      await this.#clock.sleep(delayMs, { signal });
    }
  }

  async #attempt<Answer>(
    chosen: PooledServer<Server>,
    call: SampleCall<Server, Answer>,
    part: Part,
    signal: AbortSignal,
  ): Promise<Answer> {
    // Every free server asked for a pause: the slot is kept, for this one gets nothing else to do.
    const pauseMs = chosen.pauseMs();
    if (pauseMs > 0) await this.#clock.sleep(pauseMs + this.#retry.firstDelayMs * this.#random(), { signal });
    try {
      const answer = await call.send(chosen.server, part, { signal });
      this.#checkCount(chosen, call.countOf(answer), part.n);
      chosen.recordAnswer();
      return answer;
    } catch (thrown) {
      if (!signal.aborted && thrown instanceof ServerFailure) {
        chosen.recordFailure(thrown, this.#retry);
      }
      throw thrown;
    }
  }

  #checkCount(chosen: PooledServer<Server>, count: number, expected: number): void {
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

  #healthChanged(): void {
    if (this.#servers.some(({ available }) => available)) this.#outages.end();
    this.#slots.membersChanged();
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
    return this.servers.map(({ baseUrl }) => baseUrl).join(", ");
  }

  async #close(): Promise<void> {
    const reason = new LachesisError("INFERENCE_CLOSED", `The server manager of ${this.#urls()} was closed.`);
    this.#stopping?.removeEventListener("abort", this.#onStopping);
    this.#closing.abort(reason);
    this.#slots.close(reason);
    await Promise.all(this.#servers.map((pooled) => pooled.probingStopped()));
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
  }
}

function finalError({ baseUrl }: PoolableServer, failure: ServerFailure, attempts: number): LachesisError {
  if (!failure.retryable) return failure;
  return new LachesisError(
    failure.code,
    `No usable answer from ${baseUrl} after ${attempts} attempts; the last: ${failure.message}`,
    { cause: failure, retryable: true },
  );
}
