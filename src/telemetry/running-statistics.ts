/** Mean, spread and extremes of a series, in constant memory (Welford's method). */
export class RunningStatistics {
  #count = 0;
  #mean = 0;
  #squares = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  add(value: number): void {
    this.#count += 1;
    const before = value - this.#mean;
    this.#mean += before / this.#count;
    this.#squares += before * (value - this.#mean);
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
  }

  get count(): number {
    return this.#count;
  }

  /** Population standard deviation; all undefined before the first value. */
  summary(): { mean: number; std: number; min: number; max: number } | undefined {
    if (this.#count === 0) return undefined;
    const std = Math.sqrt(this.#squares / this.#count);
    return { mean: this.#mean, std, min: this.#min, max: this.#max };
  }
}
