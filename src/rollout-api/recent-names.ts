/** The newest names of a kind with what is known of each; older ones are forgotten. */
import { Lane } from "./lane.ts";

/** A run's newest group ids that are known: far more than can be under way, at some 100 bytes each. */
export const REMEMBERED_GROUP_IDS = 200_000;

/** A run's newest settled leases that are known, so that a repeated settlement gets its answer again. */
export const REMEMBERED_SETTLEMENTS = 1000;

/** A remembered name as stores keep it; numbers count up from 1 in the order of coming. */
export type NumberedName<Value> = { number: number; name: string; value: Value };

export class RecentNames<Value> {
  readonly #limit: number;
  readonly #values = new Map<string, Value>();
  readonly #names = new Lane<string>();
  #lastNumber = 0;

  /** Remembers so many names. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get(name: string): Value | undefined {
    return this.#values.get(name);
  }

  /** Remembers a name that is not known yet. */
  add(name: string, value: Value): NumberedName<Value> {
    this.#values.set(name, value);
    this.#names.push(name);
    if (this.#names.size > this.#limit) this.#values.delete(this.#names.shift() ?? "");
    return { number: ++this.#lastNumber, name, value };
  }

  /** Remembers what was remembered earlier, oldest first. */
  restore(entries: readonly NumberedName<Value>[]): void {
    for (const { name, value } of entries) this.add(name, value);
    this.#lastNumber = entries.at(-1)?.number ?? 0;
  }
}
