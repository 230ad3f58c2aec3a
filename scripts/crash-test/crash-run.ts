/**
 * The promise of the durable store under fire: four environments hand in groups, a trainer takes them by lease
 * and acknowledgement, and the server is killed at random moments. Every group that was acknowledged to its
 * environment must be acknowledged by the trainer once: none twice, none lost.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { RolloutApiClient } from "../../src/rollout-api/client.ts";
import { ServerProcess, type ServerSettings } from "./server-process.ts";

export type CrashOptions = ServerSettings & {
  /** How long groups are handed in. */
  seconds: number;
  kills: number;
  /** Decides the moments of the kills and what writers and trainer do. */
  seed: number;
  signal: AbortSignal;
};

export type CrashReport = {
  kills: number;
  /** Groups that the server said it has. */
  acknowledged: number;
  /** Batches handed out, also those that came back. */
  served: number;
  /** Groups in batches that the trainer acknowledged. */
  acked: number;
  returned: number;
  /** Leases that the trainer let run out, or that ended while the server was away. */
  expired: number;
  /** Submissions sent again because their answer did not come. */
  resent: number;
  /** Groups acknowledged by the trainer more than once. */
  duplicates: number;
  /** Groups that the server said it has and never served for good. */
  lost: number;
};

const WRITERS = 4;
const BATCH_SEQUENCES = 8;
const TOKENS = 400;
const LEASE_SECONDS = 2;
const RETRY_MS = 25;

const registration = {
  wandb_group: "crash",
  wandb_project: "crash",
  batch_size: BATCH_SEQUENCES,
  max_token_len: TOKENS,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: -1,
};

/** Runs it to its end, which includes that everything handed in is taken out. */
export async function runCrashTest(options: CrashOptions): Promise<CrashReport> {
  await using server = new ServerProcess(options);
  await server.start();
  const failing = new AbortController();
  const signal = AbortSignal.any([options.signal, failing.signal]);
  try {
    return await new CrashRun(server, { ...options, signal }).play();
  } catch (error) {
    // Where one part fails, the others must not wait for it.
    failing.abort(error);
    throw error;
  }
}

class CrashRun {
  readonly #server: ServerProcess;
  readonly #options: CrashOptions;
  readonly #random: () => number;
  readonly #acknowledged = new Set<number>();
  readonly #ackCounts = new Map<number, number>();
  readonly #counts = { kills: 0, served: 0, returned: 0, expired: 0, resent: 0 };
  #nextGroup = 1;
  /** In all acknowledged groups. */
  #sequences = 0;
  #isWriting = true;
  #isDrained = false;

  constructor(server: ServerProcess, options: CrashOptions) {
    this.#server = server;
    this.#options = options;
    this.#random = seeded(options.seed);
  }

  async play(): Promise<CrashReport> {
    await using client = new RolloutApiClient({ url: this.#server.url });
    await this.#insist(() => client.register(registration, this.#once()));
    await this.#insist(() => client.leaseBatch(LEASE_SECONDS, this.#once()));
    const writers = Array.from({ length: WRITERS }, (_, index) => this.#write(client, index));
    const trainer = this.#train(client);
    const everything = async () => {
      await this.#killNowAndThen();
      this.#isWriting = false;
      await Promise.all(writers);
      await this.#finish(client);
      this.#isDrained = true;
    };
    await Promise.all([everything(), trainer, ...writers]);
    return this.#report();
  }

  /** Kills and restarts the server at random moments, spread over the time there is. */
  async #killNowAndThen(): Promise<void> {
    const { seconds, kills, signal } = this.#options;
    const start = Date.now();
    for (let kill = 0; kill < kills; kill++) {
      const left = seconds * 1000 - (Date.now() - start);
      const mean = Math.max(0, left / (kills - kill));
      await sleep(mean * (0.5 + this.#random()) * 0.7, undefined, { signal });
      await this.#server.kill();
      this.#counts.kills++;
      await this.#server.start();
    }
    await sleep(Math.max(0, seconds * 1000 - (Date.now() - start)), undefined, { signal });
  }

  async #write(client: RolloutApiClient, index: number): Promise<void> {
    const description = {
      max_token_length: TOKENS,
      desired_name: `writer-${index}`,
      weight: 1,
      group_size: 4,
      min_batch_allocation: null,
    };
    const { env_id: envId } = await this.#insist(() => client.registerEnv(description, this.#once()));
    while (this.#isWriting) {
      const count = this.#random() < 0.2 ? 3 : 1;
      const size = this.#random() < 0.2 ? 2 : 4;
      await this.#handIn(
        client,
        envId,
        Array.from({ length: count }, () => size),
      );
      await sleep(5 + 20 * this.#random(), undefined, { signal: this.#options.signal });
    }
  }

  async #handIn(client: RolloutApiClient, envId: number | null, sizes: readonly number[]): Promise<void> {
    const numbers = sizes.map(() => this.#nextGroup++);
    const groups = sizes.map((size, index) => groupOf(numbers[index] ?? 0, size, envId));
    const groupIds = numbers.map((number) => `group-${number}`);
    let tries = 0;
    await this.#insist(() => {
      if (tries++ > 0) this.#counts.resent++;
      return client.submitGroups(groups, { groupIds, ...this.#once() });
    });
    for (const number of numbers) this.#acknowledged.add(number);
    for (const size of sizes) this.#sequences += size;
  }

  /** Makes the last batch full with single sequences, and waits until all is taken. */
  async #finish(client: RolloutApiClient): Promise<void> {
    const missing = (BATCH_SEQUENCES - (this.#sequences % BATCH_SEQUENCES)) % BATCH_SEQUENCES;
    if (missing > 0)
      await this.#handIn(
        client,
        null,
        Array.from({ length: missing }, () => 1),
      );
    while (this.#ackCounts.size < this.#acknowledged.size) {
      await sleep(RETRY_MS, undefined, { signal: this.#options.signal });
    }
  }

  async #train(client: RolloutApiClient): Promise<void> {
    while (!this.#isDrained) {
      const leased = await this.#insist(() => client.leaseBatch(LEASE_SECONDS, this.#once()));
      if (leased === null) {
        await sleep(RETRY_MS, undefined, { signal: this.#options.signal });
        continue;
      }
      const { batch, leaseId } = leased;
      if (leaseId === null) throw new Error("the server gave a batch without a lease");
      this.#counts.served++;
      const luck = this.#isWriting ? this.#random() : 1;
      if (luck < 0.05) this.#counts.expired++;
      else await this.#settle(client, { batch, leaseId }, luck < 0.1 ? "returned" : "taken");
    }
  }

  async #settle(
    client: RolloutApiClient,
    { batch, leaseId }: { batch: readonly ScoredGroup[]; leaseId: string },
    how: "taken" | "returned",
  ): Promise<void> {
    try {
      await this.#insist(() => client.settle(leaseId, how, this.#once()));
    } catch (error) {
      if (!(error instanceof LachesisError) || error.code !== "ROLLOUT_API_REJECTED") throw error;
      this.#counts.expired++;
      return;
    }
    if (how === "returned") this.#counts.returned++;
    else for (const group of batch) this.#countAck(group.tokens[0]?.[0] ?? 0);
  }

  #countAck(number: number): void {
    this.#ackCounts.set(number, (this.#ackCounts.get(number) ?? 0) + 1);
  }

  /** Tries again as long as the server is away. */
  async #insist<Answer>(attempt: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof LachesisError) || !error.retryable) throw error;
        await sleep(RETRY_MS, undefined, { signal: this.#options.signal });
      }
    }
  }

  #once() {
    return { signal: this.#options.signal, attempts: 1 };
  }

  #report(): CrashReport {
    const acks = [...this.#ackCounts.values()];
    return {
      ...this.#counts,
      acknowledged: this.#acknowledged.size,
      acked: acks.length,
      duplicates: acks.filter((count) => count > 1).length,
      lost: [...this.#acknowledged].filter((number) => !this.#ackCounts.has(number)).length,
    };
  }
}

/** A group that can be told from all others by its first token. */
function groupOf(number: number, sequences: number, envId: number | null): ScoredGroup {
  const tokens = Array.from({ length: sequences }, () => Array.from({ length: TOKENS }, () => number));
  return {
    tokens,
    masks: tokens,
    scores: tokens.map((_, index) => index),
    advantages: null,
    ref_logprobs: null,
    messages: null,
    generation_params: null,
    inference_logprobs: null,
    overrides: null,
    group_overrides: null,
    images: null,
    env_id: envId,
    distill_token_ids: null,
    distill_logprobs: null,
  };
}

/** Uniform in [0, 1), the same for the same seed (a linear congruential generator). */
function seeded(seed: number): () => number {
  let state = BigInt.asUintN(64, BigInt(seed) * 0x9e3779b97f4a7c15n + 1n);
  return () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number(state >> 11n) / 2 ** 53;
  };
}
