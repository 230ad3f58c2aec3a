/**
 * One server as the ServerPool keeps it: its slots, its health, its pauses and its statistics.
 * Healthy until several requests in a row failed; then set aside and probed in the background, with growing
 * pauses, until it answers. A server that comes back is on probation: one more failure sets it aside again.
 */
import type { Logger } from "pino";
import type { Split } from "../contracts/chat.ts";
import type { Clock } from "./clock.ts";
import type { PoolableServer } from "./inference-server.ts";
import { RequestStatistics } from "./request-statistics.ts";
import type { ServerConfig } from "./server-config.ts";
import type { ServerFailure } from "./server-failure.ts";
import type { SlotMember } from "./slot-pool.ts";

export type HealthPolicy = {
  /** Failed attempts in a row, over all requests, that set a server aside. */
  failuresToSetAside: number;
  firstProbeDelayMs: number;
  maxProbeDelayMs: number;
};

export const defaultHealthPolicy: HealthPolicy = {
  failuresToSetAside: 3,
  firstProbeDelayMs: 1_000,
  maxProbeDelayMs: 30_000,
};

export type PooledServerOptions<Server extends PoolableServer> = {
  server: Server;
  config: ServerConfig;
  policy: HealthPolicy;
  clock: Clock;
  logger: Logger;
  /** Aborts when the pool closes: ends the probing. */
  closing: AbortSignal;
  onHealthChange: () => void;
};

export class PooledServer<Server extends PoolableServer> implements SlotMember {
  readonly server: Server;
  readonly limits: Readonly<Record<Split, number>>;
  readonly statistics: RequestStatistics;
  /** Known from the config, or learned from an answer with one choice for several asked. */
  ignoresN: boolean;
  lastFailure: ServerFailure | undefined;
  readonly #options: PooledServerOptions<Server>;
  #healthy = true;
  #failuresInARow = 0;
  #pausedUntilMs = 0;
  #probeDelayMs: number;
  #probing: Promise<void> | undefined;

  constructor(options: PooledServerOptions<Server>) {
    const { config, server, policy } = options;
    this.#options = options;
    this.server = server;
    this.limits = { train: config.num_max_requests_at_once, eval: config.num_requests_for_eval };
    this.statistics = new RequestStatistics(config.rolling_buffer_length);
    this.ignoresN = config.n_kwarg_is_ignored;
    this.#probeDelayMs = policy.firstProbeDelayMs;
  }

  get available(): boolean {
    return this.#healthy;
  }

  get rank(): number {
    return this.pauseMs() > 0 ? 1 : 0;
  }

  /** Milliseconds for which the server asked not to be called. */
  pauseMs(): number {
    return Math.max(0, this.#pausedUntilMs - this.#options.clock.now());
  }

  /** The server did what it should: an answer, or a refusal that is the request's own fault. */
  recordAnswer(): void {
    this.#failuresInARow = 0;
    this.#probeDelayMs = this.#options.policy.firstProbeDelayMs;
  }

  /** A failed attempt: pauses the server if it asked for that, and sets it aside if it fails again and again. */
  recordFailure(failure: ServerFailure, { maxRetryAfterMs }: { maxRetryAfterMs: number }): void {
    if (failure.retryAfterMs !== undefined) {
      const untilMs = this.#options.clock.now() + Math.min(failure.retryAfterMs, maxRetryAfterMs);
      this.#pausedUntilMs = Math.max(this.#pausedUntilMs, untilMs);
    }
    if (!failure.retryable || failure.kind === "rate-limited") {
      this.recordAnswer();
      return;
    }
    this.lastFailure = failure;
    this.#failuresInARow += 1;
    const { config, policy } = this.#options;
    if (!this.#healthy || !config.health_check || this.#failuresInARow < policy.failuresToSetAside) return;
    this.#setHealthy(false);
    this.#probing = this.#probeUntilBack();
  }

  /** Resolves when a probing under way has seen the closing signal. */
  async probingStopped(): Promise<void> {
    await this.#probing;
  }

  async #probeUntilBack(): Promise<void> {
    const { clock, closing, policy, server } = this.#options;
    while (!closing.aborted) {
      const delayMs = this.#probeDelayMs;
      this.#probeDelayMs = Math.min(policy.maxProbeDelayMs, delayMs * 2);
      try {
        await clock.sleep(delayMs, { signal: closing, ref: false });
      } catch {
        return;
      }
      if ((await server.probe({ signal: closing })) === null) {
        this.#failuresInARow = policy.failuresToSetAside - 1;
        this.#setHealthy(true);
        return;
      }
    }
  }

  #setHealthy(healthy: boolean): void {
    const { logger, onHealthChange, server } = this.#options;
    this.#healthy = healthy;
    const { baseUrl } = server;
    if (healthy) logger.info({ event: "server-back", baseUrl }, "inference server is back");
    else {
      const cause = this.lastFailure?.message;
      logger.warn(
        { event: "server-set-aside", baseUrl, cause },
        "inference server set aside until it answers",
      );
    }
    onHealthChange();
  }
}
