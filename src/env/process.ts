/** The `process` verb: plays `total_steps` groups and writes them to a JSONL file, in the order they finish. */
import { join } from "node:path";
import { GroupFile } from "../data/group-file.ts";
import type { BaseEnv } from "./base-env.ts";
import { Cancellation } from "./cancellation.ts";
import type { BaseEnvConfig } from "./env-config.ts";
import { GroupWorkers } from "./group-workers.ts";
import { type RunSignals, startEnvironment } from "./start-environment.ts";
import { Wakeup } from "./wakeup.ts";
import { maxWorkers } from "./worker-target.ts";

/** What `process` puts under the class's own defaults. */
export const processDefaults = {
  ensure_scores_are_not_same: false,
  include_messages: true,
  max_failed_groups: 16,
  max_skipped_groups: 1000,
} as const satisfies Partial<BaseEnvConfig>;

export type ProcessSummary = {
  /** The file; another name than asked for when that one existed. */
  path: string;
  groups: number;
  endedBy: "complete" | "items-ended" | "drained" | "aborted";
};

/**
 * Resolves with what was written, also when it was stopped early. Rejects with what made going on useless:
 * the output can't be written, the item source failed, or too many groups in a row failed or
 * were skipped; and with the signal's reason when it was stopped before the environment was set up.
 */
export async function processEnvironment({
  env,
  drain,
  abort,
}: RunSignals & { env: BaseEnv }): Promise<ProcessSummary> {
  const { config, services } = env;
  const stop = AbortSignal.any([drain, abort]);
  await using _cleanup = await startEnvironment(env, stop);
  await using file = await GroupFile.open(
    config.data_path_to_save_groups ?? join("data", `${env.name}.jsonl`),
  );

  const wakeup = new Wakeup();
  const ending = new AbortController();
  const rules = {
    groupSize: config.group_size,
    ensureScoresAreNotSame: config.ensure_scores_are_not_same,
    maxTokenLength: Number.POSITIVE_INFINITY,
    maxSequences: Number.POSITIVE_INFINITY,
  };
  const workers = new GroupWorkers({
    env,
    rules: () => rules,
    deliver: async (group) => {
      await file.append(group);
      return { result: "written" };
    },
    abort: AbortSignal.any([abort, ending.signal]),
    onSettled: () => wakeup.notify(),
  });
  const total = config.total_steps < 0 ? Number.POSITIVE_INFINITY : config.total_steps;
  const limit = maxWorkers(config, services.serverCount);
  const isDone = () => file.groups >= total || (workers.exhausted && workers.inFlight === 0);
  try {
    while (!stop.aborted && !isDone()) {
      await workers.fill(Math.min(limit, total - file.groups), stop);
      if (isDone()) break;
      // A pause may have ended since `fill` looked: with nothing in flight nobody would end an endless sleep.
      const pauseMs = workers.pausedForMs;
      const sleepMs = pauseMs > 0 || workers.inFlight === 0 ? pauseMs : Number.POSITIVE_INFINITY;
      await wakeup.sleep(sleepMs, stop);
    }
    await workers.settle();
  } catch (error) {
    ending.abort(new Cancellation("shutdown"));
    await workers.settle().catch(() => undefined);
    await file.close();
    services.events.emit("notice", { level: "info", message: `Saved ${file.groups} groups in ${file.path}` });
    throw error;
  }
  await file.close();
  return { path: file.path, groups: file.groups, endedBy: endOf() };

  function endOf(): ProcessSummary["endedBy"] {
    if (file.groups >= total) return "complete";
    if (abort.aborted) return "aborted";
    return drain.aborted ? "drained" : "items-ended";
  }
}
