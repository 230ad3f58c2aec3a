/** Quantiles of the latest durations of one kind, in constant memory. */

const kept = 1_024;

export class RecentDurations {
  readonly #latestMs: number[] = [];
  #count = 0;

  add(durationMs: number): void {
    this.#latestMs[this.#count % kept] = durationMs;
    this.#count += 1;
  }

  /** How many there ever were. */
  get count(): number {
    return this.#count;
  }

  /** Milliseconds that this share (0..1) of the latest stayed within; undefined before the first. */
  quantile(share: number): number | undefined {
    const sorted = this.#latestMs.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  }

  /** Adds how long the work took, also when it failed. */
  async time<T>(work: () => Promise<T>): Promise<T> {
    const startedAtMs = performance.now();
    try {
      return await work();
    } finally {
      this.add(performance.now() - startedAtMs);
    }
  }
}
