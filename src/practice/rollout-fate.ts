/**
 * Which rollouts go wrong. Plain chat names no rollout, so a rollout's fate is drawn at its first turn and
 * travels in the ids of the tool calls that are issued from then on: eight hex digits, a seed whose lowest
 * bit says whether the rollout errs. Later turns read it back from the conversation (rollout-memory.ts).
 *
 * The draw is a function of the server's seed, the task and how many rollouts of that task began before. It
 * is spread evenly rather than independent: over tasks by the golden ratio, over the samples of one task by
 * bit reversal. So the share of errors of any stretch of tasks, and of any group of 2^k samples, comes as
 * near to the rate as it can.
 */
import { seededRandom } from "./seeded-random.ts";

export type RolloutFate = { readonly seed: number; readonly errs: boolean };

const goldenRatio = 0.618_033_988_749_894_8;
const callIdPattern = /^call_([0-9a-f]{8})_\d+_\d+$/;

export class FateDraw {
  readonly #errorRate: number;
  readonly #seed: number;
  readonly #offset: number;
  readonly #rolloutsOfTask = new Map<number, number>();

  constructor({ seed, errorRate }: { seed: number; errorRate: number }) {
    this.#seed = seed;
    this.#errorRate = errorRate;
    this.#offset = seededRandom(seed)();
  }

  /** The fate of the next rollout of a task. */
  draw(task: number): RolloutFate {
    const sample = this.#rolloutsOfTask.get(task) ?? 0;
    this.#rolloutsOfTask.set(task, sample + 1);
    return this.#fateOf(task, sample);
  }

  /** Sampling at temperature 0 plays a task always in the same way. */
  greedy(task: number): RolloutFate {
    return this.#fateOf(task, 0);
  }

  /** The `index`th of the rollouts that a request's own seed asks for: the same whenever it is asked. */
  seeded(task: number, requestSeed: number, index: number): RolloutFate {
    const mixed = Math.imul(requestSeed, 0x27d4eb2f) ^ Math.imul(index + 1, 0x165667b1);
    return this.#fateOf(task, Math.floor(seededRandom(mixed)() * 2 ** 31));
  }

  #fateOf(task: number, sample: number): RolloutFate {
    const place = (this.#offset + task * goldenRatio + reversedBits(sample)) % 1;
    const errs = place < this.#errorRate;
    const mixed =
      Math.imul(this.#seed, 0x9e3779b1) ^ Math.imul(task, 0x85ebca6b) ^ Math.imul(sample, 0xc2b2ae35);
    const seed = Math.floor(seededRandom(mixed)() * 2 ** 32);
    return { errs, seed: ((seed & ~1) | (errs ? 1 : 0)) >>> 0 };
  }
}

/** Unique within the rollout: `turn` counts its turns, `index` the calls of one turn. */
export const callIdOf = (fate: RolloutFate, turn: number, index: number): string =>
  `call_${fate.seed.toString(16).padStart(8, "0")}_${turn}_${index}`;

/** The fate that a tool call id carries; null when the practice server did not issue it. */
export function fateOfCallId(id: string): RolloutFate | null {
  const digits = callIdPattern.exec(id)?.[1];
  if (digits === undefined) return null;
  const seed = Number.parseInt(digits, 16);
  return { seed, errs: (seed & 1) === 1 };
}

/** 0, 1/2, 1/4, 3/4, 1/8, ...: any 2^k in a row lie evenly in [0, 1). */
function reversedBits(value: number): number {
  let fraction = 0;
  for (let rest = value, weight = 0.5; rest > 0; rest = Math.floor(rest / 2), weight /= 2) {
    fraction += (rest % 2) * weight;
  }
  return fraction;
}
