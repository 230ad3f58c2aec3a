/**
 * Sandboxes that are ready before a rollout asks, over any backend. Each serves one rollout and is then thrown
 * away: a used one could only be proven clean at a higher price than a new one has.
 *
 * - Every change (a request, a slot made, used up, ended, a failure) leads to pool/balance.ts, which alone decides
 *   who gets a slot, what is made and what is thrown away. Whoever waits longest is served first, and never holds
 *   up those who wait for another kind (spec) of sandbox.
 * - A creation belongs to nobody: it goes to whoever then waits longest, and is aborted when nobody needs it.
 *   Requests start as many as they need; ahead of requests at most two are under way.
 * - `maxTotal` holds for all that exist: being made, ready, in use, and until their disposal has settled.
 * - A slot whose end can be seen is replaced at once. One that waited for longer than a moment (a minute on this
 *   machine) proves itself with a command before it is handed out: a connection may be dead without a sign.
 */
import { LachesisError } from "../src/contracts/errors.ts";
import { longestTimerMs } from "../src/contracts/longest-timer.ts";
import type { Sandbox, SandboxBackend, SandboxRequest } from "../src/contracts/sandbox.ts";
import type { OnNotice } from "./backend-context.ts";
import { balance } from "./pool/balance.ts";
import { PoolMetrics } from "./pool/pool-metrics.ts";
import { PooledSandbox } from "./pool/pooled-sandbox.ts";
import { kindKey, SandboxKind, type Waiter } from "./pool/sandbox-kind.ts";
import { Slots } from "./pool/slots.ts";

export type SandboxPoolOptions = {
  /** Belongs to the pool from now on: it is disposed of with it. */
  backend: SandboxBackend;
  /** Slots to keep ready; fewer where `maxTotal` leaves no room. */
  size: number;
  /** Most sandboxes at once. Default: no limit. */
  maxTotal?: number;
  /** How long a request may wait for its sandbox. */
  acquireTimeoutMs: number;
  /** Without a request for so long, the ready slots are let go until the next one. */
  idleTimeoutMs: number;
  /** How long a rollout that was cancelled may keep its sandbox before the pool takes it away. Default: 30 s. */
  leaseGraceMs?: number;
  /**
   * How long a slot that was made or proven counts as alive, unless its end is seen. Default: a minute where the
   * backend sees each end, else 1 s.
   */
  trustMs?: number;
  onNotice?: OnNotice;
};

export type PoolCounts = { warm: number; inUse: number; creating: number; ending: number; waiting: number };

const failuresWorthANotice = 3;

export class SandboxPool implements SandboxBackend {
  readonly name: string;
  readonly #options: SandboxPoolOptions;
  readonly #maxTotal: number;
  readonly #metrics = new PoolMetrics();
  readonly #slots: Slots;
  readonly #kinds = new Map<string, SandboxKind>();
  readonly #leased = new Set<Sandbox>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #closing = new AbortController();
  /** Kinds of the latest requests, the last one last. */
  readonly #recent: string[] = [];
  #idleTimer: NodeJS.Timeout | undefined;
  #isIdle = true;
  #arrivals = 0;
  #closed: Promise<void> | undefined;

  constructor(options: SandboxPoolOptions) {
    this.name = options.backend.name;
    this.#options = options;
    this.#maxTotal = options.maxTotal ?? Number.POSITIVE_INFINITY;
    this.#slots = new Slots({
      backend: options.backend,
      trustMs: options.trustMs ?? (options.backend.seesEnds ? 60_000 : 1_000),
      metrics: this.#metrics,
      onChange: () => this.#balance(),
      onFailure: (kind, error) => this.#onFailure(kind, error),
    });
  }

  check(options: { signal: AbortSignal }): Promise<void> {
    return this.#options.backend.check(options);
  }

  get buildImage(): SandboxBackend["buildImage"] {
    const { backend } = this.#options;
    return backend.buildImage === undefined ? undefined : backend.buildImage.bind(backend);
  }

  /**
   * The oldest ready slot of this kind, else a new one as soon as there is room. Rejects with SANDBOX_POOL_TIMEOUT
   * or with what making it failed with.
   */
  async create(request: SandboxRequest): Promise<Sandbox> {
    this.#closing.signal.throwIfAborted();
    request.signal.throwIfAborted();
    const kind = this.#kind(request.spec);
    this.#noteRequest(kind);
    const sandbox = await this.#metrics.durations.acquire.time(() => this.#acquire(kind, request.signal));
    return this.#lease(sandbox, request);
  }

  /** Makes slots ready before the first request, as if one without a spec had come, and waits for them. */
  async warmUp({ signal }: { signal: AbortSignal }): Promise<void> {
    this.#closing.signal.throwIfAborted();
    this.#noteRequest(this.#kind(undefined));
    this.#balance();
    await this.#slots.settled(signal);
  }

  counts(): PoolCounts {
    const kinds = [...this.#kinds.values()];
    const sum = (count: (kind: SandboxKind) => number) =>
      kinds.reduce((total, kind) => total + count(kind), 0);
    return {
      warm: sum(({ warm }) => warm.length),
      inUse: this.#leased.size + this.#slots.offered,
      creating: sum(({ creations }) => creations.size),
      ending: this.#slots.ending,
      waiting: sum(({ queue }) => queue.length),
    };
  }

  metrics(): Record<string, number> {
    const { warm, inUse, waiting } = this.counts();
    return {
      "sandbox/in_use": inUse,
      "sandbox/warm": warm,
      "sandbox/waiting": waiting,
      ...this.#metrics.toRecord(),
    };
  }

  /** Rejects whoever waits, ends every sandbox, those in use too, and then the backend. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #kind(spec: SandboxRequest["spec"]): SandboxKind {
    const key = kindKey(spec);
    const kind = this.#kinds.get(key) ?? new SandboxKind(key, spec);
    this.#kinds.set(key, kind);
    return kind;
  }

  #noteRequest(kind: SandboxKind): void {
    const { size, idleTimeoutMs } = this.#options;
    this.#recent.push(kind.key);
    if (this.#recent.length > Math.max(32, 4 * size)) this.#recent.shift();
    this.#isIdle = false;
    this.#cancel(this.#idleTimer);
    this.#idleTimer = this.#after(idleTimeoutMs, () => {
      this.#isIdle = true;
      this.#balance();
    });
  }

  /** Joins the queue and leaves it served, timed out, cancelled or told of a failure. */
  #acquire(kind: SandboxKind, signal: AbortSignal): Promise<Sandbox> {
    const { promise, resolve, reject } = Promise.withResolvers<Sandbox>();
    this.#arrivals += 1;
    const leave = () => {
      kind.waiters.delete(waiter);
      this.#cancel(timer);
      signal.removeEventListener("abort", onAbort);
    };
    const waiter: Waiter = {
      arrival: this.#arrivals,
      isOffered: false,
      take: (sandbox) => {
        leave();
        this.#leased.add(sandbox);
        resolve(sandbox);
      },
      fail: (error) => {
        leave();
        reject(error);
      },
    };
    const onAbort = () => {
      waiter.fail(signal.reason);
      this.#balance();
    };
    const timer = this.#after(this.#options.acquireTimeoutMs, () => {
      this.#metrics.timeouts += 1;
      waiter.fail(this.#timeoutError(kind));
      this.#balance();
    }).ref();
    signal.addEventListener("abort", onAbort, { once: true });
    kind.waiters.add(waiter);
    this.#balance();
    return promise;
  }

  #lease(sandbox: Sandbox, { rolloutId, signal, spec }: SandboxRequest): Sandbox {
    let grace: NodeJS.Timeout | undefined;
    const onAbort = () => {
      grace = this.#after(this.#options.leaseGraceMs ?? 30_000, () => {
        this.#metrics.leaked += 1;
        const message = `Rollout ${rolloutId} is over and still had its sandbox ${sandbox.id}: the pool took it away.`;
        this.#options.onNotice?.({ level: "warn", message });
        void lease[Symbol.asyncDispose]().catch(() => {});
      });
    };
    const lease = new PooledSandbox({
      sandbox,
      execDurations: this.#metrics.durations.exec,
      createTwin: (options) => this.create({ rolloutId, ...options, ...(spec && { spec }) }),
      release: async () => {
        signal.removeEventListener("abort", onAbort);
        this.#cancel(grace);
        if (this.#leased.delete(sandbox)) await this.#slots.end(sandbox);
        else await sandbox[Symbol.asyncDispose]();
      },
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    return lease;
  }

  #onFailure(kind: SandboxKind, error: unknown): void {
    const restMs = kind.onFailure(error);
    for (const waiter of kind.concerned) waiter.fail(error);
    if (restMs === undefined) return;
    this.#after(restMs, () => {
      kind.endRest();
      this.#balance();
    });
    if (kind.failures !== failuresWorthANotice) return;
    const reason = error instanceof Error ? error.message : String(error);
    const message = `The sandbox backend "${this.name}" failed ${kind.failures} times in a row; the pool goes on trying, at ever longer intervals. ${reason}`;
    this.#options.onNotice?.({ level: "warn", message });
  }

  #timeoutError(kind: SandboxKind): LachesisError {
    const { inUse, warm, creating, ending, waiting } = this.counts();
    const limit = Number.isFinite(this.#maxTotal) ? `of at most ${this.#maxTotal} sandboxes` : "sandboxes";
    const failing =
      kind.failures > 0 ? ` The backend "${this.name}" failed ${kind.failures} times in a row.` : "";
    return new LachesisError(
      "SANDBOX_POOL_TIMEOUT",
      `No sandbox became free within ${this.#options.acquireTimeoutMs / 1000} s: ${inUse} ${limit} are in use, ` +
        `${creating} are being made, ${ending} are ending, ${warm} of other kinds are ready, and ${waiting - 1} others wait.${failing}`,
      {
        retryable: true,
        hint: "Raise --env.pool_max_total, play fewer groups at once, or wait longer: --env.pool_acquire_timeout.",
      },
    );
  }

  #balance(): void {
    if (this.#closing.signal.aborted) return;
    balance({
      kinds: [...this.#kinds.values()],
      slots: this.#slots,
      size: this.#isIdle ? 0 : this.#options.size,
      maxTotal: this.#maxTotal,
      recent: this.#recent,
    });
    for (const [key, kind] of this.#kinds) {
      if (kind.isUnused && !this.#recent.includes(key)) this.#kinds.delete(key);
    }
  }

  async #close(): Promise<void> {
    this.#closing.abort(new LachesisError("SANDBOX_CLOSED", "The sandbox pool has been closed."));
    for (const timer of this.#timers) clearTimeout(timer);
    for (const kind of this.#kinds.values()) {
      for (const waiter of [...kind.waiters]) waiter.fail(this.#closing.signal.reason);
    }
    this.#metrics.leaked += this.#leased.size;
    const ends = [...this.#leased].map((sandbox) => this.#slots.end(sandbox));
    this.#leased.clear();
    await Promise.allSettled([...ends, this.#slots.close(this.#kinds.values())]);
    await this.#options.backend[Symbol.asyncDispose]();
  }

  #after(delayMs: number, act: () => void): NodeJS.Timeout {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        act();
      },
      Math.min(delayMs, longestTimerMs),
    ).unref();
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer: NodeJS.Timeout | undefined): void {
    clearTimeout(timer);
    if (timer !== undefined) this.#timers.delete(timer);
  }
}
