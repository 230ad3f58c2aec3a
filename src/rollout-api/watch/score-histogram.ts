/** How scores are distributed, in equal bins. */

export type ScoreHistogram = {
  /** The first bin's lower and the last bin's upper edge; the upper edge belongs to its bin. */
  from: number;
  to: number;
  counts: readonly number[];
  mean: number;
  count: number;
};

const BINS = 20;
/** Rewards usually live in one of these: fixed axes don't jump while the page is looked at. */
const USUAL_RANGES = [
  [0, 1],
  [-1, 1],
] as const;

/** null = there are no scores. */
export function scoreHistogram(scores: readonly number[]): ScoreHistogram | null {
  if (scores.length === 0) return null;
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  let mean = 0;
  for (const [index, score] of scores.entries()) {
    least = Math.min(least, score);
    most = Math.max(most, score);
    mean += score / (index + 1) - mean / (index + 1);
  }
  const usual = USUAL_RANGES.find(([from, to]) => least >= from && most <= to);
  const margin = least === most ? Math.max(0.5, Math.abs(least) / 100) : 0;
  const [from, to] = usual ?? [
    Math.max(least - margin, -Number.MAX_VALUE),
    Math.min(most + margin, Number.MAX_VALUE),
  ];
  const counts = new Array<number>(BINS).fill(0);
  for (const score of scores) {
    // Halved, so that not even the range of all doubles overflows.
    const share = (score / 2 - from / 2) / (to / 2 - from / 2);
    const bin = Math.min(BINS - 1, Math.floor(share * BINS));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return { from, to, counts, mean, count: scores.length };
}
