/** Several votes as one score. */

export const voteAggregates = ["median", "mean"] as const;
export type VoteAggregate = (typeof voteAggregates)[number];

/** `disagree`: whether the votes differ. The median of an even number of votes is the mean of the two in the middle. */
export function countVotes(
  votes: readonly number[],
  how: VoteAggregate,
): { score: number; spread: number; disagree: boolean } {
  const sorted = votes.toSorted((left, right) => left - right);
  const [least = 0, greatest = least] = [sorted[0], sorted.at(-1)];
  const middle = [Math.floor((sorted.length - 1) / 2), Math.ceil((sorted.length - 1) / 2)];
  const counted = how === "mean" ? sorted : middle.map((place) => sorted[place] ?? 0);
  const score = counted.reduce((sum, vote) => sum + vote, 0) / Math.max(1, counted.length);
  return { score, spread: greatest - least, disagree: greatest > least };
}
