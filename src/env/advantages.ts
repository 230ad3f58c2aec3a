/** Advantages of a group's rollouts, for trainers that take them as they come. */
import type { AdvantageKind } from "./token-fields.ts";

/** Keeps a group of equal scores finite, and next to nothing. */
const epsilon = 1e-6;

/** One number per rollout, in order; null when the trainer is to compute them. */
export function advantagesOf(scores: readonly number[], kind: AdvantageKind): number[] | null {
  const mean = sum(scores) / scores.length;
  const centered = scores.map((score) => score - mean);
  switch (kind) {
    case "none":
      return null;
    case "dr_grpo":
      return centered;
    case "grpo": {
      const deviation = Math.sqrt(
        sum(centered.map((value) => value * value)) / Math.max(1, scores.length - 1),
      );
      return centered.map((value) => value / (deviation + epsilon));
    }
    case "rloo": {
      if (scores.length === 1) return [0];
      const total = sum(scores);
      return scores.map((score) => score - (total - score) / (scores.length - 1));
    }
    default:
      return kind satisfies never;
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
