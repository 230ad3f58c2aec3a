/**
 * Everything that watches a server, in one place: it stands between the routes and the stores, tells metrics,
 * log and page what happens, and once a second looks how the runs stand.
 */
import type { Logger } from "pino";
import { Registry } from "prom-client";
import type { EnvOverview, GroupStores } from "../group-store.ts";
import type { DecodeTokens } from "./example-text.ts";
import { ObservedStores } from "./observed-store.ts";
import { ProcessMetrics } from "./process-metrics.ts";
import { type FinishedRequest, RequestMetrics } from "./request-metrics.ts";
import type { RunEvent, RunObserver } from "./run-events.ts";
import { RunHistory } from "./run-history.ts";
import { RunMetrics } from "./run-metrics.ts";
import { ServerLog } from "./server-log.ts";

export type ServerWatchOptions = {
  stores: GroupStores;
  logger?: Logger | undefined;
  clock?: { now(): number };
  /** Makes examples for the page of groups that carry no messages. */
  decode?: DecodeTokens | undefined;
};

const SAMPLE_EVERY_MS = 1000;

export class ServerWatch implements Disposable {
  /** The stores that the routes are to use: what happens in them is seen. */
  readonly stores: GroupStores;
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #runMetrics = new RunMetrics({ registry: this.#registry });
  readonly #requestMetrics = new RequestMetrics({ registry: this.#registry });
  readonly #processMetrics = new ProcessMetrics({ registry: this.#registry });
  readonly #logger: Logger | undefined;
  readonly #log: ServerLog | undefined;
  readonly #observers: readonly RunObserver[];
  readonly #clock: { now(): number };
  readonly #histories = new Map<string, RunHistory>();
  readonly #staleEnvs = new Map<string, Set<number>>();
  readonly #listeners = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #sampling: Promise<void> | undefined;
  #isFailing = false;

  constructor({ stores, logger, clock = { now: () => Date.now() }, decode }: ServerWatchOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#log = logger && new ServerLog({ logger, clock });
    const history = { observe: (run: string, event: RunEvent) => this.#historyOf(run).add(event) };
    this.#observers = [this.#runMetrics, history, ...(this.#log ? [this.#log] : [])];
    this.stores = new ObservedStores(stores, { observers: this.#observers, clock, decode });
    this.contentType = this.#registry.contentType;
  }

  /** Begins to look at the runs every second, until disposed of. Does not keep the process alive. */
  start(): void {
    this.#timer ??= setInterval(() => void this.#sampleOnTime(), SAMPLE_EVERY_MS).unref();
  }

  /** Looks how all runs stand now. One look at a time: asked again meanwhile, it answers with the first. */
  sample(): Promise<void> {
    this.#sampling ??= this.#sampleAll().finally(() => {
      this.#sampling = undefined;
    });
    return this.#sampling;
  }

  /** Calls back after every look at the runs. Returns the function that stops this. */
  onSample(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What is remembered of a run for the page; undefined = nothing has happened in it. */
  history(run: string): RunHistory | undefined {
    return this.#histories.get(run);
  }

  /** All metrics in Prometheus' text format. */
  async metrics(): Promise<string> {
    await this.#runMetrics.collect(this.stores);
    this.#processMetrics.collect();
    return this.#registry.metrics();
  }

  /** Why nothing can be stored now; undefined = it can. */
  async problem(): Promise<string | undefined> {
    try {
      await this.stores.checkWritable();
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  requestFinished(request: FinishedRequest): void {
    const reason = this.#requestMetrics.add(request);
    // What a store refused is in the log already, with more to say.
    if (reason === undefined || reason === "queue_full") return;
    this.#log?.refused({ route: request.route, reason, status: request.status });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#listeners.clear();
    this.#processMetrics[Symbol.dispose]();
  }

  /** A store that fails for long is told of once. */
  async #sampleOnTime(): Promise<void> {
    try {
      await this.sample();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#logger?.error({ event: "sample-failed", err: error });
      this.#isFailing = true;
    }
  }

  async #sampleAll(): Promise<void> {
    for (const run of this.stores.names()) {
      const overview = await (await this.stores.run(run)).overview();
      this.#tellStale(run, overview.envs);
      this.#historyOf(run).sample(overview);
    }
    for (const listener of this.#listeners) listener();
  }

  #tellStale(run: string, envs: readonly EnvOverview[]): void {
    const before = this.#staleEnvs.get(run) ?? new Set();
    const now = new Set<number>();
    for (const { envId, wandbName: env, stale, connected, lastSeenAt } of envs) {
      if (stale && connected) now.add(envId);
      if (stale && connected && !before.has(envId)) {
        this.#tell(run, { kind: "env-stale", envId, env, silentMs: this.#clock.now() - lastSeenAt });
      }
      if (!stale && connected && before.has(envId)) this.#tell(run, { kind: "env-back", envId, env });
    }
    this.#staleEnvs.set(run, now);
  }

  #tell(run: string, event: RunEvent): void {
    for (const observer of this.#observers) observer.observe(run, event);
  }

  #historyOf(run: string): RunHistory {
    const history = this.#histories.get(run) ?? new RunHistory({ clock: this.#clock });
    this.#histories.set(run, history);
    return history;
  }
}
