/**
 * The `process` verb: plays groups until `total_steps` of them are kept, writes each as it finishes, and at the end
 * makes the other formats of them. A run that was killed goes on with the items that are still owed: its record
 * says which files are its own, and each line which item it is of.
 */
import { join } from "node:path";
import { LachesisError } from "../contracts/errors.ts";
import type { ExportReport } from "../data/export/export-groups.ts";
import { type FilterReason, type GroupFilter, noRules } from "../data/group-filter.ts";
import { ProcessJournal } from "../data/process-journal.ts";
import { type ProcessRecord, saveProcessRecord } from "../data/process-record.ts";
import { lockRun } from "../data/run-lock.ts";
import type { BaseEnv } from "./base-env.ts";
import { Cancellation } from "./cancellation.ts";
import type { BaseEnvConfig } from "./env-config.ts";
import { groupProvenance, itemDigest } from "./group-origin.ts";
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
  /** The file with every group; another name than asked for when that one existed. */
  path: string;
  /** Groups of which the filters left something. */
  groups: number;
  endedBy: "complete" | "items-ended" | "drained" | "aborted";
  /** What the filters did, an earlier part of the run included. */
  samples: { seen: number; kept: number };
  leftOut: ReadonlyMap<FilterReason, number>;
  /** The other files; null where none is wanted, or the run was aborted before they could be made. */
  exported: ExportReport | null;
};

/** A run that writes groups and nothing else. */
export function plainRecord(env: string): ProcessRecord {
  return {
    version: 1,
    env,
    formats: "atropos",
    rules: noRules,
    pairs: 1,
    minGap: 0,
    pushTo: null,
    isPublic: false,
    outputs: null,
  };
}

/**
 * Resolves with what was written, also when it was stopped early. Rejects with what made going on useless:
 * the output can't be written, the item source failed, or too many groups in a row failed or
 * were skipped; and with the signal's reason when it was stopped before the environment was set up.
 * `record`: what to make of the groups, and where it has outputs, the run that goes on.
 */
export async function processEnvironment({
  env,
  record = plainRecord(env.name),
  drain,
  abort,
}: RunSignals & { env: BaseEnv; record?: ProcessRecord }): Promise<ProcessSummary> {
  const { config, services } = env;
  const { runDirectory, modelName: model } = services;
  const stop = AbortSignal.any([drain, abort]);
  using _lock = lockRun(runDirectory);
  if (record.outputs === null) await saveProcessRecord(runDirectory, record);
  await using _cleanup = await startEnvironment(env, stop, { purpose: "process" });
  const path = config.data_path_to_save_groups ?? join("data", `${env.name}.jsonl`);
  await using journal = await ProcessJournal.open({ runDirectory, record, path, model, signal: stop });

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
    isSettled: (number, item) => isSettled(journal, number, item),
    onSkipped: (number, reason) => journal.skip(number, reason),
    deliver: async (group, _groupId, played) => {
      const provenance = groupProvenance(played, group, { env: env.name, model });
      const isKept = await journal.add({ ...group, provenance });
      if (isKept) return { result: "written" };
      return {
        result: "skipped",
        reason: "filtered",
        detail: `the filters left none of its ${group.scores.length} samples`,
      };
    },
    abort: AbortSignal.any([abort, ending.signal]),
    onSettled: () => wakeup.notify(),
  });
  const total = config.total_steps < 0 ? Number.POSITIVE_INFINITY : config.total_steps;
  const limit = maxWorkers(config, services.serverCount);
  const isDone = () => journal.kept >= total || (workers.exhausted && workers.inFlight === 0);
  try {
    while (!stop.aborted && !isDone()) {
      await workers.fill(Math.min(limit, total - journal.kept), stop);
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
    await journal.close();
    const message = `Saved ${journal.kept} groups in ${journal.path}`;
    services.events.emit("notice", { level: "info", message });
    await journal.export(abort).catch((exporting: unknown) => {
      services.logger.warn({ err: exporting }, "export-failed");
    });
    throw error;
  }
  await journal.close();
  services.logger.info({ metrics: env.takeMetrics() }, "process-metrics");
  const { kept: groups, filter } = journal;
  const exported = abort.aborted ? null : await exportFiles();
  return { path: journal.path, groups, endedBy: endOf(), ...filterCounts(filter), exported };

  async function exportFiles(): Promise<ExportReport | null> {
    try {
      return await journal.export(abort);
    } catch (error) {
      const message = `Saved ${groups} groups in ${journal.path}; \`environment process --resume ${runDirectory}\` makes the other files of them.`;
      services.events.emit("notice", { level: "info", message });
      throw error;
    }
  }

  function endOf(): ProcessSummary["endedBy"] {
    if (groups >= total) return "complete";
    if (abort.aborted) return "aborted";
    return drain.aborted ? "drained" : "items-ended";
  }
}

const filterCounts = ({ samples, leftOut }: Pick<GroupFilter, "samples" | "leftOut">) => ({
  samples,
  leftOut,
});

/** Throws RESUME_REFUSED where the item is not the one that was played under its number. */
function isSettled(journal: ProcessJournal, itemNumber: number, item: unknown): boolean {
  const digest = journal.settled(itemNumber);
  if (digest === undefined) return false;
  if (digest === null || digest === itemDigest(item).digest) return true;
  throw new LachesisError(
    "RESUME_REFUSED",
    `${journal.path}: item ${itemNumber} of the run was another than the environment gives now.`,
    { hint: "Resume with the dataset, seed and version of the environment that the run began with." },
  );
}
