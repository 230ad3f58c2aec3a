/** A rollout API on loopback with a trainer in front of it, for tests of what environments do. */

import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { RolloutApiClient } from "../../src/rollout-api/client.ts";
import type { TrainerRegistration } from "../../src/rollout-api/client-schemas.ts";
import { MemoryStores } from "../../src/rollout-api/memory-store.ts";
import { type RunningRolloutApi, startRolloutApi } from "../../src/rollout-api/start-server.ts";
import { compatStoreOptions } from "../../src/rollout-api/store-options.ts";

const registration: TrainerRegistration = {
  wandb_group: "group",
  wandb_project: "project",
  batch_size: 8,
  max_token_len: 2048,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: -1,
};

export class TestTrainer implements AsyncDisposable {
  readonly client: RolloutApiClient;
  readonly url: string;
  readonly signal = AbortSignal.timeout(25_000);
  readonly #port: number;
  #api: RunningRolloutApi | undefined;
  #early: ScoredGroup[] | null = null;
  #stores: MemoryStores;

  private constructor(api: RunningRolloutApi, stores: MemoryStores) {
    this.#api = api;
    this.#stores = stores;
    this.#port = api.port;
    this.url = api.url;
    this.client = new RolloutApiClient({ url: api.url, pollIntervalMs: 5 });
  }

  /** A server without a trainer; `compat`: it behaves as the original in all things. */
  static async start({ compat = false }: { compat?: boolean } = {}): Promise<TestTrainer> {
    const stores = compat ? new MemoryStores(compatStoreOptions) : new MemoryStores();
    return new TestTrainer(await startRolloutApi({ stores, compat, host: "127.0.0.1", port: 0 }), stores);
  }

  /** A server whose trainer has registered and asked for a batch, so that environments may join. */
  static async registered(
    given: Partial<TrainerRegistration> = {},
    options: { compat?: boolean } = {},
  ): Promise<TestTrainer> {
    const trainer = await TestTrainer.start(options);
    await trainer.register(given);
    return trainer;
  }

  async register(given: Partial<TrainerRegistration> = {}): Promise<void> {
    await this.client.register({ ...registration, ...given }, { signal: this.signal });
    // Environments of an earlier run may have sent groups already: a batch of theirs is the next one.
    this.#early = await this.client.batch({ signal: this.signal });
  }

  /** Takes the next batch, waiting for it. */
  async nextBatch(): Promise<ScoredGroup[]> {
    const early = this.#early;
    this.#early = null;
    if (early !== null) return early;
    for (;;) {
      const batch = await this.client.batch({ signal: this.signal });
      if (batch !== null) return batch;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  queueSize = async (): Promise<number> => (await this.client.status({ signal: this.signal })).queue_size;

  /** Takes the server away. */
  async goAway(): Promise<void> {
    await this.#api?.close();
    this.#api = undefined;
  }

  /** Brings the server back at the same address, with its memory or without. */
  async comeBack({ forgetful = false } = {}): Promise<void> {
    if (forgetful) this.#stores = new MemoryStores();
    this.#api = await startRolloutApi({ stores: this.#stores, host: "127.0.0.1", port: this.#port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.goAway();
  }
}

/** Waits until something holds; the test's own time limit ends a wait in vain. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 2));
}
