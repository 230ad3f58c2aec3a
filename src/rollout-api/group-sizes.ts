/** Counts of a set of groups by size, kept up to date so that no question has to look at the groups. */
export class GroupSizes {
  readonly #countBySize = new Map<number, number>();
  #groups = 0;
  #sequences = 0;

  get groups(): number {
    return this.#groups;
  }

  get sequences(): number {
    return this.#sequences;
  }

  /** Sequences in the largest group; 0 = there are none. */
  get largest(): number {
    return this.largestUpTo(Number.POSITIVE_INFINITY);
  }

  /** Sequences in the largest group that has no more than this; 0 = there are none. */
  largestUpTo(limit: number): number {
    let largest = 0;
    for (const size of this.#countBySize.keys()) if (size > largest && size <= limit) largest = size;
    return largest;
  }

  /** How many groups have this size. */
  count(size: number): number {
    return this.#countBySize.get(size) ?? 0;
  }

  /** How many groups a batch of this size can't hold: larger than it, or without sequences. */
  countUnpackable(batchSize: number): number {
    let count = 0;
    for (const [size, groups] of this.#countBySize) if (size === 0 || size > batchSize) count += groups;
    return count;
  }

  add(size: number): void {
    this.#countBySize.set(size, this.count(size) + 1);
    this.#groups++;
    this.#sequences += size;
  }

  /** Takes out a group of this size, which must have been added. */
  remove(size: number): void {
    const left = this.count(size) - 1;
    if (left > 0) this.#countBySize.set(size, left);
    else this.#countBySize.delete(size);
    this.#groups--;
    this.#sequences -= size;
  }
}
