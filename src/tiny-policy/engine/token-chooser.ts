/**
 * Chooses the next token from logits. Log-probabilities are raw whatever was asked for: those of the bare model at
 * temperature 1, rounded as `Transformer.forward` rounds them, so that a trainer's own are equal to the bit.
 */

export type ChoiceSettings = {
  /** 0 takes the likeliest. */
  temperature: number;
  /** The likeliest tokens whose shares reach this much; 1 = all. */
  topP: number;
  /** So many of the likeliest; 0 = all. */
  topK: number;
  /** Tokens at least this share as likely as the likeliest; 0 = all. */
  minP: number;
  /** Above 1 makes tokens that were seen less likely. */
  repetitionPenalty: number;
};

export type TokenChoice = { id: number; logprob: number };

export class TokenChooser {
  /** exp(logit - highest) of the raw logits. */
  readonly #raw: Float64Array;
  readonly #scores: Float64Array;
  readonly #order: number[];

  constructor(vocabularySize: number) {
    this.#raw = new Float64Array(vocabularySize);
    this.#scores = new Float64Array(vocabularySize);
    this.#order = Array.from({ length: vocabularySize }, (_, id) => id);
  }

  /** `seen`: what the repetition penalty is for. `random` is asked at most once. */
  choose(
    logits: Float32Array,
    settings: ChoiceSettings,
    { seen, random }: { seen: Iterable<number>; random: () => number },
  ): TokenChoice {
    const { highest, sum } = exponentials(logits, this.#raw);
    const id = this.#pick(logits, settings, sum, seen, random);
    return { id, logprob: Math.fround(logits[id]! - highest - Math.log(sum)) };
  }

  /** The likeliest tokens of the bare model, the likeliest first; of equals the lower id. */
  likeliest(logits: Float32Array, count: number): TokenChoice[] {
    const { highest, sum } = exponentials(logits, this.#raw);
    const ids = this.#order.toSorted((left, right) => logits[right]! - logits[left]! || left - right);
    return ids.slice(0, count).map((id) => ({
      id,
      logprob: Math.fround(logits[id]! - highest - Math.log(sum)),
    }));
  }

  #pick(
    logits: Float32Array,
    { temperature, topP, topK, minP, repetitionPenalty }: ChoiceSettings,
    rawSum: number,
    seen: Iterable<number>,
    random: () => number,
  ): number {
    const unfiltered = topP >= 1 && topK === 0 && minP === 0 && repetitionPenalty === 1;
    if (unfiltered && temperature === 1) return drawn(this.#raw, this.#order, rawSum, random);

    const scores = this.#scores;
    scores.set(logits);
    if (repetitionPenalty !== 1) penalize(scores, seen, repetitionPenalty);
    if (temperature === 0) return highestOf(scores);
    const sum = exponentials(scores, scores, temperature).sum;
    if (unfiltered) return drawn(scores, this.#order, sum, random);

    // The likeliest one has the value 1 now.
    let kept = this.#order
      .filter((id) => scores[id]! >= minP)
      .sort((left, right) => scores[right]! - scores[left]! || left - right);
    if (topK > 0) kept = kept.slice(0, topK);
    let total = 0;
    for (const id of kept) total += scores[id]!;
    if (topP < 1) {
      let reached = 0;
      const last = kept.findIndex((id) => {
        reached += scores[id]!;
        return reached >= topP * total;
      });
      if (last >= 0) {
        kept = kept.slice(0, last + 1);
        total = reached;
      }
    }
    return drawn(scores, kept, total, random);
  }
}

/** target = exp((value - highest) / temperature). */
function exponentials(
  values: Float32Array | Float64Array,
  target: Float64Array,
  temperature = 1,
): { highest: number; sum: number } {
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) if (values[i]! > highest) highest = values[i]!;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const weight = Math.exp((values[i]! - highest) / temperature);
    target[i] = weight;
    sum += weight;
  }
  return { highest, sum };
}

/** One of the ids, each as likely as its weight says; `sum` is that of their weights. */
function drawn(weights: Float64Array, ids: readonly number[], sum: number, random: () => number): number {
  let rest = random() * sum;
  let last = ids[0]!;
  for (const id of ids) {
    const weight = weights[id]!;
    if (weight === 0) continue;
    last = id;
    rest -= weight;
    if (rest < 0) return id;
  }
  return last;
}

function highestOf(scores: Float64Array): number {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id]! > scores[best]!) best = id;
  return best;
}

/** As CTRL has it: scores of seen tokens shrink towards less likely, whatever their sign. */
function penalize(scores: Float64Array, seen: Iterable<number>, penalty: number): void {
  for (const id of new Set(seen)) {
    const score = scores[id]!;
    scores[id] = score > 0 ? score / penalty : score * penalty;
  }
}
