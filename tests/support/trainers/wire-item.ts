/**
 * One group of a batch as a Python trainer holds it: a dict. An absent key and a null fail at different places
 * and in different words there, so the readers here tell them apart. See docs/trainers.md.
 */
import { z } from "zod";

/** What ends a trainer's step, in the words its user would see. */
export class TrainerFailure extends Error {
  override readonly name = "TrainerFailure";
}

const numbers = z.array(z.number());
const objects = z.array(z.record(z.string(), z.unknown()));
const batchReply = z.object({ batch: z.array(z.record(z.string(), z.unknown())) });

export class WireItem {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  /** The groups of an answer of GET /batch. */
  static ofBatch(reply: string): WireItem[] {
    return batchReply.parse(JSON.parse(reply)).batch.map((fields) => new WireItem(fields));
  }

  without(key: string): WireItem {
    return new WireItem(Object.fromEntries(Object.entries(this.#fields).filter(([name]) => name !== key)));
  }

  with(key: string, value: unknown): WireItem {
    return new WireItem({ ...this.#fields, [key]: value });
  }

  has(key: string): boolean {
    return key in this.#fields;
  }

  /** Python's `item[key]`. */
  at(key: string): unknown {
    if (!this.has(key)) throw new TrainerFailure(`KeyError: '${key}'`);
    return this.#fields[key];
  }

  /** Python's `item.get(key)`. */
  get(key: string): unknown {
    return this.#fields[key] ?? null;
  }

  #notNull(key: string): unknown {
    const value = this.at(key);
    if (value === null) throw new TrainerFailure(`TypeError: '${key}' is None`);
    return value;
  }

  numbers(key: string): number[] {
    return numbers.parse(this.#notNull(key));
  }

  /** Nested lists: [sequence][position]. */
  rows(key: string): number[][] {
    return z.array(numbers).parse(this.#notNull(key));
  }

  /** Nested lists: [sequence][position][choice]; null where absent or null. */
  cubes(key: string): number[][][] | null {
    return z.array(z.array(numbers)).nullable().parse(this.get(key));
  }

  /** One object per sequence; null where null. */
  overrides(value: unknown): Record<string, unknown>[] | null {
    return objects.nullable().parse(value);
  }

  object(key: string): Record<string, unknown> | null {
    return z.record(z.string(), z.unknown()).nullable().parse(this.get(key));
  }
}

/** One sequence as its trainer sees it; arrays are by position in the sequence as it was sent. */
export type CollatedSequence = {
  /** True where the token is a target of the loss. */
  trained: boolean[];
  /** What each target's gradient is multiplied with; 0 where nothing is trained. */
  advantages: number[];
};

/** What a trainer makes of a batch: sequences by group; null = it skips the group. */
export type Collated = { sequencesByGroup: (CollatedSequence[] | null)[] };

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Scores minus their mean, over their standard deviation (of the population); one alone stays as it is. */
export function standardized(scores: readonly number[]): number[] {
  if (scores.length < 2) return [...scores];
  const average = mean(scores);
  const deviation = Math.sqrt(mean(scores.map((score) => (score - average) ** 2)));
  return scores.map((score) => (score - average) / Math.max(deviation, 1e-8));
}

/** Puts 0 in place of the advantages of sequences whose overrides ask for that. */
export function withZeroed(
  advantages: readonly number[],
  overrides: readonly Record<string, unknown>[] | null,
): number[] {
  return advantages.map((advantage, index) =>
    overrides?.[index]?.set_advantage_to_zero === true ? 0 : advantage,
  );
}

/** A sequence whose trained targets all have one advantage. */
export function evenly(trained: boolean[], advantage: number): CollatedSequence {
  return { trained, advantages: trained.map((isTrained) => (isTrained ? advantage : 0)) };
}
