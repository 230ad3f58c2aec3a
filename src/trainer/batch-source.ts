/**
 * Batches from the rollout API, leased: a batch is settled as taken once the steps made of it are saved, so that a
 * trainer that dies loses none. A server that came back without its memory gets a new registration.
 */
import { LachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import type { RolloutApiClient } from "../rollout-api/client.ts";
import type { LeasedBatch, TrainerRegistration } from "../rollout-api/client-schemas.ts";
import { pause } from "../rollout-api/client-transport.ts";

export type BatchSourceOptions = {
  client: RolloutApiClient;
  /** Asked at each registration: the step may have moved on. */
  registration: () => TrainerRegistration;
  leaseSeconds: number;
  pollIntervalMs: number;
  onNotice: (message: string, code?: string) => void;
  now?: () => number;
};

type Held = { leaseId: string; leasedAt: number; isTrained: boolean };

/** Tries of a settlement: a server that is away serves the batch again when its lease runs out. */
const SETTLE_ATTEMPTS = 3;
/** Time for the answer to a lease that was asked for when the run is stopped: unread, it would keep a batch away. */
const ANSWER_GRACE_MS = 1_000;

export class BatchSource {
  readonly #options: Required<BatchSourceOptions>;
  #held: Held[] = [];

  constructor(options: BatchSourceOptions) {
    this.#options = { now: Date.now, ...options };
  }

  async register(signal: AbortSignal): Promise<void> {
    const { client, registration } = this.#options;
    await this.#untilAnswered((limits) => client.register(registration(), { signal, ...limits }));
  }

  /** The next batch, waited for. It stays leased until it is settled. */
  async next(signal: AbortSignal): Promise<ScoredGroup[]> {
    const { pollIntervalMs, onNotice, now } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      try {
        const leasedAt = now();
        const leased = await this.#lease(signal);
        if (leased !== null) {
          const { batch, leaseId } = leased;
          if (leaseId !== null) this.#held.push({ leaseId, leasedAt, isTrained: false });
          signal.throwIfAborted();
          return batch;
        }
      } catch (error) {
        if (!(error instanceof LachesisError) || error.code !== "ROLLOUT_API_NOT_REGISTERED") throw error;
        onNotice("The rollout server has forgotten this run: registering again.", error.code);
        await this.register(signal);
        continue;
      }
      await pause(pollIntervalMs, signal);
    }
  }

  async #lease(signal: AbortSignal): Promise<LeasedBatch | null> {
    const { client, leaseSeconds } = this.#options;
    const given = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const onAbort = () => {
      timer = setTimeout(() => given.abort(signal.reason), ANSWER_GRACE_MS);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await this.#untilAnswered((limits) =>
        client.leaseBatch(leaseSeconds, { signal: given.signal, ...limits }),
      );
    } finally {
      signal.removeEventListener("abort", onAbort);
      clearTimeout(timer);
    }
  }

  /** A server that is away is waited for, and people are told so once. */
  async #untilAnswered<Reply>(call: (limits: { attempts?: number }) => Promise<Reply>): Promise<Reply> {
    try {
      return await call({ attempts: 1 });
    } catch (error) {
      if (!(error instanceof LachesisError) || error.code !== "ROLLOUT_API_UNREACHABLE") throw error;
      this.#options.onNotice(`Waiting for the rollout API. ${error.message}`, error.code);
      return await call({});
    }
  }

  /** Says that a step was made of every batch so far. */
  markTrained(): void {
    for (const held of this.#held) held.isTrained = true;
  }

  /** True once a lease is so old that it must be settled before it runs out. */
  get mustSettle(): boolean {
    const { leaseSeconds, now } = this.#options;
    return this.#held.some(({ leasedAt }) => now() - leasedAt > (leaseSeconds * 1000) / 2);
  }

  /** Settles all batches so far: those that were trained as taken, others go back. */
  async settle(signal: AbortSignal): Promise<void> {
    const held = this.#held;
    this.#held = [];
    for (const { leaseId, isTrained } of held) {
      await this.#settle(leaseId, isTrained ? "taken" : "returned", signal);
    }
  }

  async #settle(leaseId: string, how: "taken" | "returned", signal: AbortSignal): Promise<void> {
    const { client, onNotice } = this.#options;
    try {
      await client.settle(leaseId, how, { signal, attempts: SETTLE_ATTEMPTS });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof LachesisError)) throw error;
      const done =
        how === "taken" ? "settle a batch that was trained; it may be served again" : "return a batch";
      onNotice(`Could not ${done}: ${error.message}`, error.code);
    }
  }
}
