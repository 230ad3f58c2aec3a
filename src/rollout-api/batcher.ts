/**
 * Which groups make a batch. A batch holds exactly `batchSize` sequences, and groups are never split; so
 * sizes must add up. Three pure functions, in the ways of the original down to the choice among equals:
 *
 * - `findGroupsSummingTo`: an environment's odd-sized groups that together make one group of the due size;
 * - `formBatch`: the next batch from a queue of mixed sizes;
 * - `formBatchWithMinimums`: the same while giving some environments their promised share.
 */

export type SizedGroup = { sequences: number };
export type QueueGroup = SizedGroup & { envId: number | null };

/**
 * Indexes (ascending) of groups whose sizes add up to `target`; empty = there are none. Oldest first where
 * taking whatever fits leads there, otherwise the combination that has the newest groups in it.
 */
export function findGroupsSummingTo(target: number, sizes: readonly number[]): number[] {
  return takeWhatFits(target, sizes) ?? findSubset(target, sizes) ?? [];
}

function takeWhatFits(target: number, sizes: readonly number[]): number[] | undefined {
  const taken: number[] = [];
  let sum = 0;
  for (const [index, size] of sizes.entries()) {
    if (sum + size > target) continue;
    taken.push(index);
    sum += size;
    if (sum === target) return taken;
  }
  return undefined;
}

/** Subset sum: `reachable[i]` has every sum up to the target that the first i groups can make. */
function findSubset(target: number, sizes: readonly number[]): number[] | undefined {
  const reachable = [new Set([0])];
  for (const size of sizes) {
    const before = reachable.at(-1) ?? new Set<number>();
    const after = new Set(before);
    for (const sum of before) if (sum + size <= target) after.add(sum + size);
    reachable.push(after);
  }
  if (reachable.at(-1)?.has(target) !== true) return undefined;

  const taken: number[] = [];
  let left = target;
  for (let index = sizes.length - 1; index >= 0; index--) {
    const rest = left - (sizes[index] ?? 0);
    if (rest < 0 || reachable[index]?.has(rest) !== true) continue;
    taken.push(index);
    left = rest;
  }
  return taken.reverse();
}

/**
 * Gathers groups of one size until they hold as many sequences as the largest group does; only such full
 * packs may enter a batch, so that a small group never leaves without the others that even it out.
 */
class Packs<Group extends SizedGroup> {
  readonly #packSize: number;
  readonly #pendingBySize = new Map<number, Group[]>();

  constructor(packSize: number) {
    this.#packSize = packSize;
  }

  /** The pack that this group completes; empty = it waits. */
  add(group: Group): readonly Group[] {
    const pending = this.#pendingBySize.get(group.sequences) ?? [];
    pending.push(group);
    const isFull = pending.length * group.sequences === this.#packSize;
    this.#pendingBySize.set(group.sequences, isFull ? [] : pending);
    return isFull ? pending : [];
  }
}

export type FormOptions<Group> = {
  /** Waiting groups, oldest first. */
  queue: Iterable<Group>;
  /** Sequences in the largest waiting group. */
  largestGroup: number;
  /** Sequences in a batch; at least 1. */
  batchSize: number;
};

/**
 * The groups of the next batch, pack by pack; null = none can be formed now. Reads the queue no further than
 * the batch needs.
 */
export function formBatch<Group extends SizedGroup>({
  queue,
  largestGroup,
  batchSize,
}: FormOptions<Group>): Group[] | null {
  const packs = new Packs<Group>(largestGroup);
  const taken: Group[] = [];
  let sequences = 0;
  for (const group of queue) {
    for (const member of packs.add(group)) {
      taken.push(member);
      sequences += member.sequences;
      if (sequences === batchSize) return taken;
      if (sequences > batchSize) return null;
    }
  }
  return null;
}

/** An environment's share of every batch, 0..1. */
export type Minimum = { envId: number; share: number };

/**
 * The groups of the next batch when environments have minimum shares (of connected environments, in order of
 * registration); null = none can be formed now, also when an environment with a share has nothing to give.
 * Groups without an environment take no part. Reads the whole queue.
 */
export function formBatchWithMinimums<Group extends QueueGroup>({
  queue,
  largestGroup,
  batchSize,
  minimums,
}: FormOptions<Group> & { minimums: readonly Minimum[] }): Group[] | null {
  if (minimums.length === 0) return formBatch({ queue, largestGroup, batchSize });
  const groups = [...queue].filter(({ envId }) => envId !== null);
  const packableByEnv = packPerEnv(groups, largestGroup);
  const needs = sequencesNeeded(minimums, packableByEnv, batchSize);
  if (needs === null) return null;

  const taken = new Set<Group>();
  let sequences = 0;
  for (const { envId, needed } of needs) {
    let given = 0;
    for (const group of packableByEnv.get(envId) ?? []) {
      if (given >= needed) break;
      if (sequences + group.sequences > batchSize) continue;
      taken.add(group);
      given += group.sequences;
      sequences += group.sequences;
    }
  }
  const packable = new Set([...packableByEnv.values()].flat());
  for (const group of groups) {
    if (sequences === batchSize) break;
    if (!packable.has(group) || taken.has(group) || sequences + group.sequences > batchSize) continue;
    taken.add(group);
    sequences += group.sequences;
  }
  return sequences === batchSize ? [...taken] : null;
}

function packPerEnv<Group extends QueueGroup>(
  groups: readonly Group[],
  packSize: number,
): Map<number | null, Group[]> {
  const packsByEnv = new Map<number | null, Packs<Group>>();
  const packableByEnv = new Map<number | null, Group[]>();
  for (const group of groups) {
    const packs = packsByEnv.get(group.envId) ?? new Packs<Group>(packSize);
    packsByEnv.set(group.envId, packs);
    const packable = packableByEnv.get(group.envId) ?? [];
    packableByEnv.set(group.envId, packable);
    packable.push(...packs.add(group));
  }
  return packableByEnv;
}

type Need = { envId: number; needed: number };

/** What each environment must give, scaled down where the shares exceed the batch; null = one can't. */
function sequencesNeeded(
  minimums: readonly Minimum[],
  packableByEnv: ReadonlyMap<number | null, readonly SizedGroup[]>,
  batchSize: number,
): Need[] | null {
  const needs = minimums
    .map(({ envId, share }) => ({ envId, needed: Math.floor(batchSize * share) }))
    .filter(({ needed }) => needed > 0);
  if (needs.some(({ envId }) => !packableByEnv.get(envId)?.length)) return null;
  const total = needs.reduce((sum, { needed }) => sum + needed, 0);
  if (total <= batchSize) return needs;
  return needs.map(({ envId, needed }) => {
    const sizes = (packableByEnv.get(envId) ?? []).map(({ sequences }) => sequences);
    const smallest = sizes.reduce((least, size) => Math.min(least, size), Number.POSITIVE_INFINITY);
    return { envId, needed: Math.max(smallest, Math.floor((needed * batchSize) / total)) };
  });
}
