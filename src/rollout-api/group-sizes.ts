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
    let largest = 0;
    for (const size of this.#countBySize.keys()) if (size > largest) largest = size;
    return largest;
  }

  add(size: number): void {
    this.#countBySize.set(size, (this.#countBySize.get(size) ?? 0) + 1);
    this.#groups++;
    this.#sequences += size;
  }

  /** Takes out a group of this size, which must have been added. */
  remove(size: number): void {
    const left = (this.#countBySize.get(size) ?? 0) - 1;
    if (left > 0) this.#countBySize.set(size, left);
    else this.#countBySize.delete(size);
    this.#groups--;
    this.#sequences -= size;
  }
}
