/**
 * What `tinker-atropos` makes of a batch. It reads no masks: a token is trained where its logprob is not the
 * mark 1.0. Targets are the sequence shifted by one, so that the first token is never one. A group whose
 * scores are all equal is skipped; teacher logprobs, where there are any, replace the advantages.
 */
import { type Collated, mean, TrainerFailure, type WireItem, withZeroed } from "./wire-item.ts";

const NOT_SAMPLED = 1;

export function collateForTinker(items: readonly WireItem[]): Collated {
  return { sequencesByGroup: items.map((item) => collateGroup(item)) };
}

function collateGroup(item: WireItem) {
  const scores = item.numbers("scores");
  const average = mean(scores);
  const centered = scores.map((score) => score - average);
  if (scores.length > 1 && centered.every((advantage) => advantage === 0)) return null;
  const advantages = withZeroed(centered, item.overrides(item.get("overrides")));

  const tokens = item.rows("tokens");
  const logprobs = item.rows("inference_logprobs");
  return tokens.map((sequence, index) => {
    const sampled = logprobs[index] ?? [];
    if (sampled.length !== sequence.length) throw new TrainerFailure("AssertionError: Length mismatch");
    const trained = sequence.map(
      (_, position) => position > 0 && (sampled[position] ?? NOT_SAMPLED) !== NOT_SAMPLED,
    );
    const teacher = teacherOf(item, index, sequence.length);
    return {
      trained,
      advantages: trained.map((isTrained, position) => {
        if (!isTrained) return 0;
        if (teacher === null) return advantages[index] ?? 0;
        return (teacher[position] ?? 0) - (sampled[position] ?? 0);
      }),
    };
  });
}

/** The teacher's logprob at each position; null = no teacher, or only half of what it says. */
function teacherOf(item: WireItem, index: number, length: number): number[] | null {
  const ids = item.cubes("distill_token_ids");
  const logprobs = item.cubes("distill_logprobs");
  if (ids === null || logprobs === null) return null;
  oneChoice(ids[index], length);
  return oneChoice(logprobs[index], length);
}

/** A teacher's values per position, of which there must be exactly one each. */
function oneChoice(rows: readonly number[][] | undefined, length: number): number[] {
  if (rows === undefined) throw new TrainerFailure("IndexError: list index out of range");
  if (rows.length !== length) throw new TrainerFailure(`ValueError: ${rows.length} teacher positions`);
  return rows.map((row) => {
    if (row.length !== 1) throw new TrainerFailure(`ValueError: K=${row.length}; Tinker only supports K=1`);
    return row[0] ?? 0;
  });
}
