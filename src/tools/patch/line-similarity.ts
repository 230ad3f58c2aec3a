/**
 * How alike two lines are, and work that knows when to stop: comparing everything with everything is what makes
 * fuzzy searches slow, so each search has a budget of characters and gives up, finding nothing, once it is spent.
 */

const comparedChars = 500;

/** Characters that may still be compared. */
export class ComparisonBudget {
  #left: number;

  constructor(characters: number) {
    this.#left = characters;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  spend(characters: number): void {
    this.#left -= characters;
  }
}

/** 0 to 1: the share of pairs of letters that the two have in common (Dice). White space around is not looked at. */
export function lineSimilarity(one: string, other: string, budget: ComparisonBudget): number {
  const a = one.trim().slice(0, comparedChars);
  const b = other.trim().slice(0, comparedChars);
  budget.spend(8);
  if (a === b) return 1;
  if (a.length < 2 || b.length < 2) return 0;
  budget.spend(a.length + b.length);
  const pairs = new Map<string, number>();
  for (let at = 0; at + 1 < a.length; at++) {
    const pair = a.slice(at, at + 2);
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  let common = 0;
  for (let at = 0; at + 1 < b.length; at++) {
    const pair = b.slice(at, at + 2);
    const left = pairs.get(pair) ?? 0;
    if (left > 0) common += 1;
    if (left > 0) pairs.set(pair, left - 1);
  }
  return (2 * common) / (a.length + b.length - 2);
}
