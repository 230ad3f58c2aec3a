/**
 * The last multiple of `interval` in (previous, next], or null. Steps jump when several batches form at once;
 * comparing quotients, not remainders, misses none.
 */
export function passedMultiple(previous: number, next: number, interval: number): number | null {
  if (interval <= 0) return null;
  const quotient = Math.floor(next / interval);
  return quotient > Math.floor(previous / interval) ? quotient * interval : null;
}
