/**
 * The last resort against groups that wait for ever: any combination of waiting groups that adds up to a
 * batch. It finds one whenever there is one, also when environments must give their minimum, and prefers what
 * has waited longest: of the sizes whose oldest group is the oldest, as many as go.
 *
 * Sets of sums are the bits of a bigint: bit n = the sum n can be made. Work is bounded by the number of sizes
 * times the square of the batch size over 64, however many groups wait.
 */
import type { Need } from "./batcher.ts";
import type { GroupLane, GroupRecord } from "./group-queue.ts";

export type ExactOptions<Group extends GroupRecord> = {
  lanes: readonly GroupLane<Group>[];
  /** Sequences in a batch; at least 1. */
  batchSize: number;
  /** What environments must give at least. */
  needs: readonly Need[];
};

/** All lanes of one size that one stage may take from. */
type Shelf<Group extends GroupRecord> = {
  size: number;
  /** How many groups of this size a batch could use. */
  count: number;
  lanes: readonly GroupLane<Group>[];
};

/** Lanes that together must give at least `needed`. */
type Stage<Group extends GroupRecord> = { needed: number; shelves: readonly Shelf<Group>[] };

/** The groups of a batch in the order of their arrival; null = no combination adds up. */
export function formExactBatch<Group extends GroupRecord>({
  lanes,
  batchSize,
  needs,
}: ExactOptions<Group>): Group[] | null {
  const usable = lanes.filter(({ sequences }) => sequences > 0 && sequences <= batchSize);
  const stages = [
    ...needs.map(({ envId, needed }) => ({
      needed,
      shelves: shelve(
        usable.filter((lane) => lane.envId === envId),
        batchSize,
      ),
    })),
    {
      needed: 0,
      shelves: shelve(
        usable.filter((lane) => !needs.some(({ envId }) => envId === lane.envId)),
        batchSize,
      ),
    },
  ];
  const taken: Group[] = [];
  let left = batchSize;
  const plans = planStages(stages, batchSize);
  for (const { shelves, sums, sumsOfLater } of plans) {
    const share = smallestShare(left, sums, sumsOfLater);
    if (share === null) return null;
    left -= share;
    taken.push(...takeShare(shelves, share));
  }
  return taken.sort((a, b) => a.id - b.id);
}

type Plan<Group extends GroupRecord> = Stage<Group> & {
  /** What this stage can give, its need or more. */
  sums: bigint;
  /** What the stages after this one can give together. */
  sumsOfLater: bigint;
};

function planStages<Group extends GroupRecord>(
  stages: readonly Stage<Group>[],
  limit: number,
): Plan<Group>[] {
  let sumsOfLater = 1n;
  return stages
    .toReversed()
    .map((stage) => {
      const enough = (makeableSums(stage.shelves, limit) >> BigInt(stage.needed)) << BigInt(stage.needed);
      const plan = { ...stage, sums: enough, sumsOfLater };
      sumsOfLater = addSums(enough, sumsOfLater, limit);
      return plan;
    })
    .reverse();
}

/** The least this stage can give so that the later ones can give the rest of `left`; null = nothing does. */
function smallestShare(left: number, sums: bigint, sumsOfLater: bigint): number | null {
  for (let share = 0; share <= left; share++) {
    if (hasSum(sums, share) && hasSum(sumsOfLater, left - share)) return share;
  }
  return null;
}

/** Groups of these shelves that add up to the share, which they can. */
function takeShare<Group extends GroupRecord>(shelves: readonly Shelf<Group>[], share: number): Group[] {
  let left = share;
  return shelves.flatMap((shelf, index) => {
    const sumsOfLater = makeableSums(shelves.slice(index + 1), left);
    let count = Math.min(shelf.count, Math.floor(left / shelf.size));
    while (count > 0 && !hasSum(sumsOfLater, left - count * shelf.size)) count--;
    left -= count * shelf.size;
    return oldestOf(shelf.lanes, count);
  });
}

/** Shelves by size, first the one with the group that came first. */
function shelve<Group extends GroupRecord>(
  lanes: readonly GroupLane<Group>[],
  batchSize: number,
): Shelf<Group>[] {
  const lanesBySize = Map.groupBy(lanes, ({ sequences }) => sequences);
  return [...lanesBySize]
    .map(([size, ofSize]) => {
      const waiting = ofSize.reduce((sum, { groups }) => sum + groups.size, 0);
      return { size, count: Math.min(waiting, Math.floor(batchSize / size)), lanes: ofSize };
    })
    .sort((a, b) => firstArrival(a.lanes) - firstArrival(b.lanes));
}

function firstArrival(lanes: readonly GroupLane<GroupRecord>[]): number {
  return Math.min(...lanes.map(({ groups }) => groups.at(0)?.id ?? Number.POSITIVE_INFINITY));
}

/** So many from the fronts of these lanes, each time from the one whose front came first. */
function oldestOf<Group extends GroupRecord>(lanes: readonly GroupLane<Group>[], count: number): Group[] {
  const taken: Group[] = [];
  const takenOf = lanes.map(() => 0);
  while (taken.length < count) {
    const fronts = lanes.map(({ groups }, index) => groups.at(takenOf[index] ?? 0));
    const oldest = Math.min(...fronts.map((front) => front?.id ?? Number.POSITIVE_INFINITY));
    const index = fronts.findIndex((front) => front?.id === oldest);
    const front = fronts[index];
    if (front === undefined) break;
    taken.push(front);
    takenOf[index] = (takenOf[index] ?? 0) + 1;
  }
  return taken;
}

/** Every sum up to the limit that groups of these shelves can make. */
function makeableSums(shelves: readonly Shelf<GroupRecord>[], limit: number): bigint {
  let sums = 1n;
  for (const { size, count } of shelves) {
    // In steps of 1, 2, 4, ... groups: these make up any number of groups to the count.
    for (let left = count, step = 1; left > 0; step *= 2) {
      const groups = Math.min(step, left);
      left -= groups;
      sums = BigInt.asUintN(limit + 1, sums | (sums << BigInt(groups * size)));
    }
  }
  return sums;
}

/** Every sum up to the limit of one from each set. */
function addSums(some: bigint, others: bigint, limit: number): bigint {
  if (others === 1n) return some;
  let sums = 0n;
  for (let sum = 0; sum <= limit; sum++) if (hasSum(some, sum)) sums |= others << BigInt(sum);
  return BigInt.asUintN(limit + 1, sums);
}

function hasSum(sums: bigint, sum: number): boolean {
  return BigInt.asUintN(1, sums >> BigInt(sum)) === 1n;
}
