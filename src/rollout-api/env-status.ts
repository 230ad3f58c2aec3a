/** The arithmetic of /status-env: an environment's share of the run and of the queue. Pure. */

import type { GroupSizes } from "./group-sizes.ts";
import type { EnvRequest, EnvStatusAnswer } from "./group-store.ts";

/** `connected` is false for one that left, and for one that has not been heard of for too long. */
export type RunEnv = EnvRequest & { envId: number; connected: boolean };

export type EnvStatusInput = {
  env: RunEnv;
  /** All environments that ever joined. */
  envs: readonly RunEnv[];
  batchSize: number;
  currentStep: number;
  sizes: Readonly<GroupSizes>;
  sizesByEnv: ReadonlyMap<number | null, Readonly<GroupSizes>>;
  /** Leave other environments out of the count while every group is a single sequence, as the original does. */
  hidesOthersAmongSingles: boolean;
};

const SMALLEST_WEIGHT = 0.01;
/** Clients choose weights and shares: with very large ones, answers must stay numbers. */
const LARGEST_COUNT = Number.MAX_SAFE_INTEGER;

export function computeEnvStatus(input: EnvStatusInput): EnvStatusAnswer {
  const { env, envs, currentStep, sizes, sizesByEnv } = input;
  const own = sizesByEnv.get(env.envId);
  const ownSequences = own?.sequences ?? 0;
  const groupSize = Math.max(1, env.groupSize, own?.largest ?? 0);
  const maxGroupSize = Math.max(1, sizes.largest);
  const shares = envs.reduce(
    (sum, { connected, minBatchAllocation }) => sum + (connected ? (minBatchAllocation ?? 0) : 0),
    0,
  );
  return {
    currentStep,
    queueSize: Math.floor((ownSequences + sequencesOfOthers(input, maxGroupSize)) / groupSize),
    unallocatedFraction: 1 - Math.min(1, shares),
    selfQueueSize: Math.floor(ownSequences / groupSize),
    maxGroupSize,
    envWeight: weightOf(env, envs),
  };
}

/** What the others have waiting beyond their minimum shares, in whole packs. */
function sequencesOfOthers(input: EnvStatusInput, maxGroupSize: number): number {
  const { env, envs, batchSize, sizesByEnv, hidesOthersAmongSingles } = input;
  if (hidesOthersAmongSingles && maxGroupSize === 1) return 0;
  let total = 0;
  for (const [envId, { sequences }] of sizesByEnv) {
    if (envId === env.envId) continue;
    const other = envId === null ? undefined : envs[envId];
    const share = other?.connected ? (other.minBatchAllocation ?? 0) : 0;
    const inPacks = Math.ceil(sequences / maxGroupSize) * maxGroupSize;
    total += Math.max(0, inPacks - Math.floor(batchSize * share));
  }
  return Math.min(total, LARGEST_COUNT);
}

/** Weight times length against the connected environments' sum; equal shares where that sum is nothing, or too large. */
function weightOf(env: RunEnv, envs: readonly RunEnv[]): number {
  const connected = envs.filter((other) => other.connected);
  const total = connected.reduce((sum, other) => sum + other.maxTokenLength * Math.max(0, other.weight), 0);
  if (total > 0 && Number.isFinite(total))
    return Math.max(SMALLEST_WEIGHT, (env.maxTokenLength * env.weight) / total);
  return env.connected ? 1 / connected.length : SMALLEST_WEIGHT;
}
