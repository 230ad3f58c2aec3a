/**
 * How many groups should be in flight, from what the rollout server says of its queue. Pure arithmetic.
 * The answer only ever limits starting: work in flight beyond it is left to finish.
 */

export type QueueStatus = {
  /** Groups waiting at the server, in units of this environment's group size. */
  queueSize: number;
  /** Of these, this environment's own. */
  selfQueueSize: number;
  /** Largest group in the queue, in sequences. */
  maxGroupSize: number;
  /** Share of each batch that no environment has claimed with a minimum. */
  unallocatedFraction: number;
};

export type WorkerLimits = {
  maxWorkers: number;
  groupSize: number;
  /** Sequences per batch; below 1 = unknown. */
  batchSize: number;
  /** Batches that may wait in the queue; 0 or less = no limit. */
  maxBatchesOffpolicy: number;
  minBatchAllocation: number | null;
};

/** Groups in flight that fit into the queue's remaining room; 0 while the batch size is unknown. */
export function workerTarget(status: QueueStatus, limits: WorkerLimits): number {
  const { maxWorkers, groupSize, batchSize, maxBatchesOffpolicy, minBatchAllocation } = limits;
  if (batchSize < 1) return 0;
  if (maxBatchesOffpolicy <= 0) return maxWorkers;

  const share = Math.min(1, status.unallocatedFraction + (minBatchAllocation ?? 0));
  const room =
    Math.floor((maxBatchesOffpolicy * Math.floor(batchSize * share)) / groupSize) - status.queueSize;
  const owed =
    minBatchAllocation === null
      ? 0
      : groupsOwed(status, {
          groupSize,
          sequences: minBatchAllocation * batchSize * maxBatchesOffpolicy,
        });
  return Math.max(0, Math.min(maxWorkers, Math.max(room, owed)));
}

/**
 * Groups still missing from this environment's promised share, whatever else fills the queue. Batches are
 * packed in units of the largest group, so the need is rounded up to whole packs, and one more.
 */
function groupsOwed(
  { maxGroupSize, selfQueueSize }: QueueStatus,
  { groupSize, sequences }: { groupSize: number; sequences: number },
): number {
  const packSize = Math.max(maxGroupSize, groupSize);
  const wanted = (Math.ceil(sequences / packSize) + 1) * packSize;
  return Math.ceil((wanted - selfQueueSize * groupSize) / groupSize);
}

/** `max_num_workers`, or a number per server where that is -1. */
export function maxWorkers(
  config: { max_num_workers: number; max_num_workers_per_node: number },
  serverCount: number,
): number {
  return config.max_num_workers >= 0
    ? config.max_num_workers
    : config.max_num_workers_per_node * Math.max(1, serverCount);
}
