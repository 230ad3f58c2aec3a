/**
 * Pairs of a better and a worse sample of one group. Each of the best so many gets one of as many worst, drawn
 * at random among those whose score is lower by more than a gap; none is drawn twice. The seed makes it repeatable.
 */
import { shuffledOrder } from "./shuffled-order.ts";

export type PairRules = {
  /** Pairs per group at most. */
  pairs: number;
  /** The better score must be higher by more than this. */
  minGap: number;
  seed: number;
};

export type Pair<Scored> = { chosen: Scored; rejected: Scored };

export function preferencePairs<Scored extends { score: number }>(
  samples: readonly Scored[],
  { pairs, minGap, seed }: PairRules,
): Pair<Scored>[] {
  const sorted = [...samples].sort((a, b) => b.score - a.score);
  const free = sorted.slice(-pairs);
  return sorted.slice(0, pairs).flatMap((chosen, rank) => {
    const candidates = free.filter(({ score }) => score < chosen.score - minGap);
    const [drawn = 0] = shuffledOrder(candidates.length, { seed, epoch: rank });
    const rejected = candidates[drawn];
    if (rejected === undefined) return [];
    free.splice(free.indexOf(rejected), 1);
    return [{ chosen, rejected }];
  });
}
