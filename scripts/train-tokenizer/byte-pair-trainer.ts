/**
 * Learns byte-pair merges from words: again and again the most frequent pair of neighbours becomes one token.
 * The same words give the same merges on every machine: of equally frequent pairs the one with the lower ids
 * wins, and the order of the words plays no part.
 */

/** Pairs are keyed as one number, so a vocabulary may have this many tokens. */
const idLimit = 2 ** 20;

export type TrainedMerges = {
  /** Token texts by id: the alphabet first, then one for each merge. */
  vocabulary: string[];
  merges: [left: string, right: string][];
};

/** Learns until the vocabulary has `size` tokens, or no pair occurs twice. */
export function trainBytePairs(
  wordCounts: ReadonlyMap<string, number>,
  { alphabet, size }: { alphabet: readonly string[]; size: number },
): TrainedMerges {
  const vocabulary = [...alphabet];
  const idOf = new Map(vocabulary.map((token, id) => [token, id]));
  const words = [...wordCounts].map(([word, count]) => ({
    ids: [...word].map((letter) => known(idOf.get(letter), letter)),
    count,
  }));
  const pairs = new PairCounts();
  words.forEach((word, index) => {
    pairs.add(word.ids, word.count, index);
  });
  const merges: [string, string][] = [];
  while (vocabulary.length < size) {
    const best = pairs.mostFrequent();
    if (best === null) break;
    const left = known(vocabulary[best.left], best.left);
    const right = known(vocabulary[best.right], best.right);
    const merged = vocabulary.push(left + right) - 1;
    merges.push([left, right]);
    for (const index of best.words) {
      const word = known(words[index], index);
      pairs.add(word.ids, -word.count, index);
      word.ids = mergePair(word.ids, best.left, best.right, merged);
      pairs.add(word.ids, word.count, index);
    }
  }
  return { vocabulary, merges };
}

/** How often each pair of neighbours occurs, and in which words. */
class PairCounts {
  readonly #counts = new Map<number, number>();
  readonly #words = new Map<number, Set<number>>();

  /** Counts the pairs of one word; a negative count takes them back. */
  add(ids: readonly number[], count: number, index: number): void {
    ids.forEach((right, position) => {
      const left = ids[position - 1];
      if (left === undefined) return;
      const pair = left * idLimit + right;
      this.#counts.set(pair, (this.#counts.get(pair) ?? 0) + count);
      const words = this.#words.get(pair) ?? new Set();
      if (count > 0) words.add(index);
      else words.delete(index);
      this.#words.set(pair, words);
    });
  }

  mostFrequent(): { left: number; right: number; words: number[] } | null {
    let best = -1;
    let bestCount = 1;
    for (const [pair, count] of this.#counts) {
      if (count > bestCount || (count === bestCount && count > 1 && pair < best)) {
        best = pair;
        bestCount = count;
      }
    }
    if (best < 0) return null;
    const words = [...(this.#words.get(best) ?? [])];
    return { left: Math.floor(best / idLimit), right: best % idLimit, words };
  }
}

function mergePair(ids: readonly number[], left: number, right: number, merged: number): number[] {
  const result: number[] = [];
  for (let position = 0; position < ids.length; position += 1) {
    const id = known(ids[position], position);
    if (id === left && ids[position + 1] === right) {
      result.push(merged);
      position += 1;
    } else {
      result.push(id);
    }
  }
  return result;
}

function known<T>(value: T | undefined, what: string | number): T {
  if (value === undefined) throw new Error(`${what} is not in the alphabet`);
  return value;
}
