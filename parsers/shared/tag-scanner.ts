/**
 * Finds the next of several literal tags, in time linear in the text however often it is asked: each tag's next
 * place is remembered until it is passed. Plain `indexOf` in a loop over tags of which one never comes is quadratic.
 */

export type FoundTag<Tag extends string> = { tag: Tag; start: number; end: number };

export class TagScanner<Tag extends string> {
  readonly text: string;
  readonly #tags: readonly Tag[];
  readonly #next: Map<Tag, { searchedFrom: number; start: number }> = new Map();

  constructor(text: string, tags: readonly Tag[]) {
    this.text = text;
    this.#tags = tags;
  }

  /** The first tag (of `only`, if given) that starts at or after `from`; of two at one place the longer one. */
  next(from: number, only: readonly Tag[] = this.#tags): FoundTag<Tag> | undefined {
    let best: FoundTag<Tag> | undefined;
    for (const tag of only) {
      const start = this.#find(tag, from);
      if (start < 0 || (best !== undefined && start > best.start)) continue;
      if (best === undefined || start < best.start || tag.length > best.tag.length) {
        best = { tag, start, end: start + tag.length };
      }
    }
    return best;
  }

  #find(tag: Tag, from: number): number {
    const known = this.#next.get(tag);
    if (known !== undefined && known.searchedFrom <= from && (known.start < 0 || known.start >= from)) {
      return known.start;
    }
    const start = this.text.indexOf(tag, from);
    this.#next.set(tag, { searchedFrom: from, start });
    return start;
  }
}
