/** A run at a glance, put together from the parts of its state. */
import type { BatchShelf } from "./batch-shelf.ts";
import type { GroupRecord } from "./group-queue.ts";
import type { EnvOverview, RunOverview } from "./group-store.ts";
import type { RunEnvs } from "./run-envs.ts";
import type { RunRow } from "./run-journal.ts";
import type { WaitingGroups } from "./waiting-groups.ts";

export type OverviewParts = {
  row: RunRow;
  envs: RunEnvs;
  waiting: WaitingGroups<GroupRecord>;
  shelf: BatchShelf<GroupRecord>;
  held: { groups: number; bytes: number };
  now: number;
};

export function makeOverview({ row, envs, waiting, shelf, held, now }: OverviewParts): RunOverview {
  const { queue, buffer } = waiting;
  const batchSize = row.registration?.batchSize ?? -1;
  const oldest = waiting.oldestQueued();
  return {
    registered: row.registration !== null,
    started: row.started,
    currentStep: row.currentStep,
    batchSize,
    queuedGroups: queue.sizes.groups,
    queuedSequences: queue.sizes.sequences,
    queuedBytes: queue.bytes,
    bufferedGroups: buffer.sizes.groups,
    bufferedSequences: buffer.sizes.sequences,
    unpackableGroups: batchSize < 1 ? 0 : queue.sizes.countUnpackable(batchSize),
    waitingBatches: shelf.waiting,
    openLeases: shelf.openLeases,
    heldGroups: held.groups,
    heldBytes: held.bytes,
    oldestQueuedMs: oldest === undefined ? null : now - oldest.arrivedAt,
    envs: envs.records.map((env): EnvOverview => {
      const queued = queue.sizesByEnv.get(env.envId);
      const buffered = buffer.sizesByEnv.get(env.envId);
      return {
        envId: env.envId,
        wandbName: env.wandbName,
        weight: env.weight,
        groupSize: env.groupSize,
        connected: env.connected,
        stale: envs.isStale(env, now),
        lastSeenAt: env.lastSeenAt,
        groupsIn: env.groupsIn,
        sequencesIn: env.sequencesIn,
        queuedGroups: (queued?.groups ?? 0) + (buffered?.groups ?? 0),
        queuedSequences: (queued?.sequences ?? 0) + (buffered?.sequences ?? 0),
      };
    }),
    totals: { ...row.totals },
  };
}
