/**
 * Log-probabilities without a model: functions of the seed, the weight version and all ids so far, so that the
 * same context gives the same number again, as a model's would. Most tokens are sure, some are not.
 */
import { seededRandom } from "./seeded-random.ts";

export type ScoredToken = {
  id: number;
  /** Never above 0; in float32, as servers compute it. */
  logprob: number;
  /** Other tokens that might have come, the likeliest first. */
  rivals: readonly { id: number; logprob: number }[];
};

/** The token among its rivals, the likeliest first. */
export const rankedTokens = ({ id, logprob, rivals }: ScoredToken): { id: number; logprob: number }[] =>
  [{ id, logprob }, ...rivals].toSorted((left, right) => right.logprob - left.logprob);

export type ScoreRequest = {
  promptIds: readonly number[];
  ids: readonly number[];
  weightVersion: string;
  /** Scales "processed" log-probabilities; null = raw ones. */
  temperature: number | null;
  /** How many rivals each token gets. */
  rivals: number;
};

export class LogprobModel {
  readonly #seed: number;
  readonly #vocabularySize: number;

  constructor({ seed, vocabularySize }: { seed: number; vocabularySize: number }) {
    this.#seed = seed;
    this.#vocabularySize = vocabularySize;
  }

  score({ promptIds, ids, weightVersion, temperature, rivals }: ScoreRequest): ScoredToken[] {
    let context = this.#seed ^ 0x811c9dc5;
    for (const character of weightVersion) context = absorb(context, character.codePointAt(0) ?? 0);
    for (const id of promptIds) context = absorb(context, id);
    return ids.map((id) => {
      context = absorb(context, id);
      const random = seededRandom(context);
      const surprise = Math.min(-Math.log(1 - random()), maxSurprise);
      const raw = -0.3 * surprise * surprise - leastSurprise;
      const logprob = Math.fround(temperature === null ? raw : tempered(raw, temperature));
      return { id, logprob, rivals: this.#rivals(id, logprob, rivals, random) };
    });
  }

  /** Each takes half of what the ones before it left. */
  #rivals(id: number, logprob: number, count: number, random: () => number): ScoredToken["rivals"] {
    const rivals = new Map<number, number>();
    let left = Math.max(1 - Math.exp(logprob), 1e-9);
    while (rivals.size < Math.min(count, this.#vocabularySize - 1)) {
      const rival = Math.floor(random() * this.#vocabularySize);
      if (rival === id || rivals.has(rival)) continue;
      left /= 2;
      rivals.set(rival, Math.fround(Math.log(left)));
    }
    return [...rivals].map(([rival, value]) => ({ id: rival, logprob: value }));
  }
}

const maxSurprise = 6;
/** No token is certain: keeps -0 out of the answers too. */
const leastSurprise = 1e-6;

const absorb = (context: number, id: number): number =>
  Math.imul(context ^ (id + (context >>> 15)), 0x01000193) >>> 0;

/**
 * After softmax(logits / T), the rest of the vocabulary taken as one token. Greedy sampling (T = 0) is scored at
 * T = 1, as SGLang does.
 */
function tempered(raw: number, temperature: number): number {
  if (temperature === 0 || temperature === 1) return raw;
  const own = raw / temperature;
  const others = Math.log(-Math.expm1(raw)) / temperature;
  const larger = Math.max(own, others);
  const total = larger + Math.log(Math.exp(own - larger) + Math.exp(others - larger));
  return Math.min(own - total, -Number.EPSILON);
}
