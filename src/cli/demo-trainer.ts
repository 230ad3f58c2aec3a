/** The demo's trainer: registers at the rollout API and takes batch after batch, as a real one would. */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import { RolloutApiClient } from "../rollout-api/client.ts";

export type DemoTrainerOptions = {
  url: string;
  /** Sequences per batch. */
  batchSize: number;
  logger: Logger;
  onBatch: (batch: readonly ScoredGroup[]) => void;
  /** Ends the training once no batch is left. */
  finish: AbortSignal;
  /** Ends it at once. */
  abort: AbortSignal;
};

const pollIntervalMs = 100;

/** Opens the run and trains until told to finish. Rejects only for a failure of its own, never for an abort. */
export async function runDemoTrainer(options: DemoTrainerOptions): Promise<void> {
  const { url, batchSize, logger, onBatch, finish, abort } = options;
  await using client = new RolloutApiClient({ url, logger });
  try {
    await client.register(
      {
        wandb_group: "demo",
        wandb_project: "demo",
        batch_size: batchSize,
        max_token_len: 32_768,
        checkpoint_dir: "",
        save_checkpoint_interval: -1,
        starting_step: 0,
        num_steps: -1,
      },
      { signal: abort },
    );
    for (;;) {
      const batch = await client.batch({ signal: abort });
      if (batch !== null) onBatch(batch);
      else if (finish.aborted) return;
      else await delay(pollIntervalMs, undefined, { signal: abort });
    }
  } catch (error) {
    if (!abort.aborted) throw error;
  }
}
