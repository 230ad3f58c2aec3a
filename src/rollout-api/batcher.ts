/**
 * Which groups make a batch, in the original's way. A batch holds exactly `batchSize` sequences, and groups
 * are never split; so sizes must add up. Only full packs may enter: groups of one size that together hold as
 * many sequences as the largest group does, so that a small group never leaves without the others that even
 * it out. Two functions that change nothing and come to the original's decision down to the choice among
 * equals, looking at no more groups than they take and at what stands between them:
 *
 * - `formBatch`: the next batch from a queue of mixed sizes;
 * - `formBatchWithMinimums`: the same while giving some environments their promised share.
 */
import type { GroupLane, GroupQueue, GroupRecord } from "./group-queue.ts";

export type FormOptions<Group extends GroupRecord> = {
  /** Every group in it has a position. */
  queue: GroupQueue<Group>;
  /** Sequences in the largest waiting group; larger ones take no part. */
  largestGroup: number;
  /** Sequences in a batch; at least 1. */
  batchSize: number;
};

/** A lane that is read from the front up to a limit; what is read stays in it. */
class LaneReader<Group extends GroupRecord> {
  readonly envId: number | null;
  readonly sequences: number;
  readonly #lane: GroupLane<Group>;
  /** How many groups may be read. */
  readonly limit: number;
  #next = 0;

  constructor(lane: GroupLane<Group>, limit: number) {
    this.envId = lane.envId;
    this.sequences = lane.sequences;
    this.#lane = lane;
    this.limit = limit;
  }

  /** The group that `read` gives; `ahead` looks at later ones. undefined = past the limit. */
  peek(ahead = 0): Group | undefined {
    const index = this.#next + ahead;
    return index < this.limit ? this.#lane.groups.at(index) : undefined;
  }

  read(): Group | undefined {
    const group = this.peek();
    if (group !== undefined) this.#next++;
    return group;
  }
}

/** How many of `count` groups of this size stand in full packs. */
function countInPacks(count: number, size: number, packSize: number): number {
  if (size === 0 || packSize % size !== 0) return 0;
  const perPack = packSize / size;
  return Math.floor(count / perPack) * perPack;
}

/** The reader whose group (`ahead` of it) entered the queue first. */
function oldest<Reader extends LaneReader<GroupRecord>>(
  readers: Iterable<Reader>,
  ahead: (reader: Reader) => number = () => 0,
): Reader | undefined {
  let found: Reader | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  for (const reader of readers) {
    const position = reader.peek(ahead(reader))?.position ?? Number.POSITIVE_INFINITY;
    if (position >= lowest) continue;
    lowest = position;
    found = reader;
  }
  return found;
}

/** The groups of the next batch, pack by pack in the order in which packs fill up; null = none can be formed. */
export function formBatch<Group extends GroupRecord>({
  queue,
  largestGroup,
  batchSize,
}: FormOptions<Group>): Group[] | null {
  const readers = queue.lanes().map((lane) => new LaneReader(lane, lane.groups.size));
  const leftInPacks = new Map(
    readers.map(({ sequences }) => {
      const count = countInPacks(queue.sizes.count(sequences), sequences, largestGroup);
      return [sequences, count];
    }),
  );
  const pendingBySize = new Map<number, Group[]>();
  const taken: Group[] = [];
  let total = 0;
  for (;;) {
    const reader = oldest(readers.filter(({ sequences }) => (leftInPacks.get(sequences) ?? 0) > 0));
    const group = reader?.read();
    if (group === undefined) return null;
    const { sequences } = group;
    leftInPacks.set(sequences, (leftInPacks.get(sequences) ?? 0) - 1);
    const pack = pendingBySize.get(sequences) ?? [];
    pack.push(group);
    const isFull = pack.length * sequences === largestGroup;
    pendingBySize.set(sequences, isFull ? [] : pack);
    for (const member of isFull ? pack : []) {
      taken.push(member);
      total += sequences;
      if (total === batchSize) return taken;
      if (total > batchSize) return null;
    }
  }
}

/** An environment's share of every batch, 0..1. */
export type Minimum = { envId: number; share: number };

/**
 * The groups of the next batch when environments have minimum shares (of connected environments, in order of
 * registration); null = none can be formed now, also when an environment with a share has nothing to give.
 * First what each environment must give, in the order in which its packs fill up; then what fits, oldest
 * first. Groups without an environment take part only if `withUnowned`.
 */
export function formBatchWithMinimums<Group extends GroupRecord>({
  queue,
  largestGroup,
  batchSize,
  minimums,
  withUnowned = false,
}: FormOptions<Group> & { minimums: readonly Minimum[]; withUnowned?: boolean }): Group[] | null {
  if (minimums.length === 0) return formBatch({ queue, largestGroup, batchSize });
  const readers = queue
    .lanes()
    .filter(({ envId }) => withUnowned || envId !== null)
    .map((lane) => new LaneReader(lane, countInPacks(lane.groups.size, lane.sequences, largestGroup)))
    .filter(({ limit }) => limit > 0);
  const needs = sequencesNeeded(minimums, readers, batchSize);
  if (needs === null) return null;

  const taken: Group[] = [];
  let room = batchSize;
  const take = (group: Group | undefined) => {
    if (group === undefined) return;
    taken.push(group);
    room -= group.sequences;
  };
  for (const { envId, needed } of needs) {
    const own = readers.filter((reader) => reader.envId === envId);
    for (let given = 0; given < needed; ) {
      const fitting = own.filter(({ sequences }) => sequences <= room);
      const reader = oldest(fitting, ({ sequences }) => largestGroup / sequences - 1);
      if (reader === undefined) break;
      for (let left = largestGroup; left > 0 && given < needed; left -= reader.sequences) {
        if (reader.sequences > room) break;
        take(reader.read());
        given += reader.sequences;
      }
    }
  }
  while (room > 0) {
    const reader = oldest(readers.filter(({ sequences }) => sequences <= room));
    if (reader === undefined) return null;
    take(reader.read());
  }
  return taken;
}

export type Need = { envId: number; needed: number };

/** What each environment must give by its share; none where that rounds to nothing. */
export function sharesInSequences(minimums: readonly Minimum[], batchSize: number): Need[] {
  return minimums
    .map(({ envId, share }) => ({ envId, needed: Math.floor(batchSize * share) }))
    .filter(({ needed }) => needed > 0);
}

/** What each environment must give, scaled down where the shares exceed the batch; null = one can't. */
function sequencesNeeded(
  minimums: readonly Minimum[],
  readers: readonly LaneReader<GroupRecord>[],
  batchSize: number,
): Need[] | null {
  const needs = sharesInSequences(minimums, batchSize);
  const sizesOf = (envId: number) =>
    readers.filter((reader) => reader.envId === envId).map(({ sequences }) => sequences);
  if (needs.some(({ envId }) => sizesOf(envId).length === 0)) return null;
  const total = needs.reduce((sum, { needed }) => sum + needed, 0);
  if (total <= batchSize) return needs;
  return needs.map(({ envId, needed }) => ({
    envId,
    needed: Math.max(Math.min(...sizesOf(envId)), Math.floor((needed * batchSize) / total)),
  }));
}
