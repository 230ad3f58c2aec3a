/**
 * A whole run in a few hundred points: when there are too many, every second one goes and from then on
 * points are kept half as often. The newest point is always there.
 */

/** When (milliseconds since 1970), groups waiting, the run's step. */
export type SeriesPoint = readonly [timeMs: number, queuedGroups: number, step: number];

export class TimeSeries {
  readonly #capacity: number;
  #points: SeriesPoint[] = [];
  #intervalMs: number;

  /** Keeps at most `capacity` points, at first one every `intervalMs`. */
  constructor({ capacity, intervalMs }: { capacity: number; intervalMs: number }) {
    this.#capacity = capacity;
    this.#intervalMs = intervalMs;
  }

  add(point: SeriesPoint): void {
    const [beforeLast, last] = this.#points.slice(-2);
    // A last point that is too close to the one before it only stood for the present.
    if (beforeLast && last && last[0] - beforeLast[0] < this.#intervalMs) this.#points.pop();
    this.#points.push(point);
    if (this.#points.length <= this.#capacity) return;
    this.#points = this.#points.filter((_, index) => index % 2 === 0 || index === this.#points.length - 1);
    this.#intervalMs *= 2;
  }

  /** Oldest first. */
  points(): readonly SeriesPoint[] {
    return this.#points;
  }
}
