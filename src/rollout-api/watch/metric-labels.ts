/**
 * Label values that can't grow without bound: clients choose the names of runs and environments, and a
 * monitoring server keeps a series for each it was ever told.
 */

const LONGEST_LABEL = 64;
export const OTHER = "other";
/** What environments are called that the server doesn't know, or that a group doesn't name. */
export const UNKNOWN = "unknown";

/** The first so many values pass, the others all become "other". */
export class BoundedLabel {
  readonly #most: number;
  readonly #values = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  of(value: string): string {
    const short = value.slice(0, LONGEST_LABEL);
    if (this.#values.has(short)) return short;
    if (this.#values.size >= this.#most) return OTHER;
    this.#values.add(short);
    return short;
  }
}

/** An environment's name without the number of earlier namesakes: one that restarts stays one series. */
export function envLabel(wandbName: string | null): string {
  return wandbName === null ? UNKNOWN : wandbName.replace(/_\d+$/, "");
}
