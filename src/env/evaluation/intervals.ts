/**
 * 95 % intervals of a mean over items. Samples of one item hang together, so an item is a cluster: with the item's
 * own mean as its one value,
 *
 *     mean = Σ mᵢ / G        stderr = √( Σ (mᵢ − mean)² / (G (G − 1)) )        mean ± t(0.975; G − 1) · stderr
 *
 * which is the cluster-robust error for items of equal weight (Miller 2024, "Adding Error Bars to Evals", eq. 4,
 * with G − 1 for small G), and Student's t because G is often small. Differences of pairs go the same way.
 *
 * Shares need more care near 0 and 1, where that interval shrinks to nothing: with one sample per item, and where
 * all items agree, it is Wilson's score interval of G trials instead (all samples of an item counted as one).
 */

export type Interval = {
  /** Items that entered. */
  items: number;
  mean: number;
  /** null with a single item. */
  stderr: number | null;
  /** null with a single item, except for shares. */
  low: number | null;
  high: number | null;
};

/** Standard normal quantile of 0.975. */
const z95 = 1.959_963_984_540_054;

/** Of a mean of any numbers; null without items. */
export function meanInterval(valuesByItem: readonly number[]): Interval | null {
  const items = valuesByItem.length;
  if (items === 0) return null;
  const mean = meanOf(valuesByItem);
  if (items === 1) return { items, mean, stderr: null, low: null, high: null };
  const squares = valuesByItem.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const stderr = Math.sqrt(squares / (items * (items - 1)));
  const margin = studentQuantile(items - 1) * stderr;
  return { items, mean, stderr, low: mean - margin, high: mean + margin };
}

/** Of a share: every item's value lies in 0..1. null without items. */
export function shareInterval(sharesByItem: readonly number[]): Interval | null {
  const interval = meanInterval(sharesByItem);
  if (interval === null) return null;
  const isBinary = sharesByItem.every((share) => share === 0 || share === 1);
  const { items, mean, low, high } = interval;
  if (isBinary || low === null || high === null || low === high) {
    return { ...interval, ...wilson(mean, items) };
  }
  return { ...interval, low: Math.max(0, low), high: Math.min(1, high) };
}

/** Wilson's score interval of a share that was seen in so many trials. */
export function wilson(share: number, trials: number): { low: number; high: number } {
  const z2 = z95 ** 2;
  const center = (share + z2 / (2 * trials)) / (1 + z2 / trials);
  const margin =
    (z95 / (1 + z2 / trials)) * Math.sqrt((share * (1 - share)) / trials + z2 / (4 * trials ** 2));
  return {
    low: share === 0 ? 0 : Math.max(0, center - margin),
    high: share === 1 ? 1 : Math.min(1, center + margin),
  };
}

/** The t that 97.5 % of Student's distribution lie below. */
export function studentQuantile(degreesOfFreedom: number): number {
  let [low, high] = [0, 13];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    // Both tails beyond t: I_x(df/2, 1/2) at x = df / (df + t²).
    const tails = incompleteBeta(
      degreesOfFreedom / (degreesOfFreedom + middle ** 2),
      degreesOfFreedom / 2,
      0.5,
    );
    if (tails > 0.05) low = middle;
    else high = middle;
  }
  return high;
}

/** Regularized incomplete beta function, by its continued fraction (Lentz). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  let [c, d] = [1, 1 / (1 - ((a + b) * x) / (a + 1))];
  let fraction = d;
  for (let m = 1; m <= 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return (front * fraction) / a;
}

/** Stirling's series, from 10 on; below by recurrence. */
function logGamma(x: number): number {
  if (x < 10) return logGamma(x + 1) - Math.log(x);
  const x2 = x * x;
  const series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / x2) / x2) / x2) / x;
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series;
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
