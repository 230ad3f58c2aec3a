/**
 * Batches from the rollout API, leased: a batch is settled as taken once the steps made of it are saved, so that a
 * trainer that dies loses none. A server that came back without its memory gets a new registration.
 */
import { LachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import type { RolloutApiClient } from "../rollout-api/client.ts";
import type { TrainerRegistration } from "../rollout-api/client-schemas.ts";
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

type Held = { leaseId: string; leasedAt: number };

/** Tries of a settlement: a server that is away serves the batch again when its lease runs out. */
const SETTLE_ATTEMPTS = 3;

export class BatchSource {
  readonly #options: Required<BatchSourceOptions>;
  #held: Held[] = [];

  constructor(options: BatchSourceOptions) {
    this.#options = { now: Date.now, ...options };
  }

  async register(signal: AbortSignal): Promise<void> {
    const { client, registration } = this.#options;
    await client.register(registration(), { signal });
  }

  /** The next batch, waited for. It stays leased until it is settled. */
  async next(signal: AbortSignal): Promise<ScoredGroup[]> {
    const { client, leaseSeconds, pollIntervalMs, onNotice, now } = this.#options;
    for (;;) {
      try {
        const leasedAt = now();
        const leased = await client.leaseBatch(leaseSeconds, { signal });
        if (leased !== null) {
          if (leased.leaseId !== null) this.#held.push({ leaseId: leased.leaseId, leasedAt });
          return leased.batch;
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

  /** True once a lease is so old that it must be settled before it runs out. */
  get mustSettle(): boolean {
    const { leaseSeconds, now } = this.#options;
    return this.#held.some(({ leasedAt }) => now() - leasedAt > (leaseSeconds * 1000) / 2);
  }

  /** Settles all batches so far, except the newest where it is told to be given back. */
  async settle({ returnLast = false, signal }: { returnLast?: boolean; signal: AbortSignal }): Promise<void> {
    const held = this.#held;
    this.#held = [];
    for (const [index, { leaseId }] of held.entries()) {
      await this.#settle(leaseId, returnLast && index === held.length - 1 ? "returned" : "taken", signal);
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
