/** Answers that look whole and are wrong: what a client must notice before anyone trains on it. */
import type { SampledSequence, SamplingRequest, TokenSampler } from "./token-sampler.ts";

export const answerFaults = [
  "dropped-logprobs",
  "unequal-lengths",
  "floored-logprobs",
  "cut",
  "aborted",
  "wrong-count",
] as const;

export type AnswerFault = (typeof answerFaults)[number];

/** What vLLM puts in place of a log-probability that it doesn't have. */
const floor = -9999;

export type SpoilOptions = { sampler: TokenSampler; sampling: SamplingRequest; random: () => number };

/** The sequences of one prompt, as the fault leaves them. */
export function spoil(
  sequences: readonly SampledSequence[],
  fault: AnswerFault,
  options: SpoilOptions,
): SampledSequence[] {
  const { random } = options;
  switch (fault) {
    case "dropped-logprobs":
      return sequences.map((sequence) => ({ ...sequence, logprobs: null }));
    case "unequal-lengths":
      return sequences.map((sequence) => ({
        ...sequence,
        logprobs: sequence.logprobs?.slice(0, -1) ?? null,
      }));
    case "floored-logprobs":
      return sequences.map((sequence) => {
        const place = Math.floor(random() * sequence.ids.length);
        return { ...sequence, logprobs: sequence.logprobs?.with(place, floor) ?? null };
      });
    case "cut":
      return sequences.map((sequence) => broken(sequence, "length", options));
    case "aborted":
      return sequences.map((sequence) => broken(sequence, "abort", options));
    case "wrong-count": {
      const [first] = sequences;
      const oneMore = sequences.length === 1 || random() < 0.5;
      return oneMore && first ? [...sequences, first] : sequences.slice(1);
    }
    default:
      return fault satisfies never;
  }
}

/** At least one token stays, and at least one goes where there are two. */
function broken(
  sequence: SampledSequence,
  finish: "length" | "abort",
  { sampler, sampling, random }: SpoilOptions,
): SampledSequence {
  const length = Math.max(1, Math.floor(random() * sequence.ids.length));
  const ids = sequence.ids.slice(0, length);
  return {
    ...sequence,
    ids,
    logprobs: sequence.logprobs?.slice(0, length) ?? null,
    scored: sequence.scored.slice(0, length),
    text: sampler.textOf({ ids, finish, stopReason: null }, sampling),
    finish,
    stopReason: null,
  };
}
