/** Rewards for the length of what the model wrote last. */
import { z } from "zod";
import { defineReward, type RewardRollout } from "../reward.ts";
import { accuracyParameters, isRight } from "./accuracy.ts";
import { fullText } from "./format.ts";

const unit = z
  .enum(["characters", "words", "tokens"])
  .default("characters")
  .describe(
    "tokens: all that the model sampled in the rollout, as its server counted them; characters where it didn't.",
  );

export const cosineLengthReward = defineReward({
  name: "cosine_length",
  description:
    "Right answers are worth most when short, wrong ones cost most when short: along half a cosine up to max_length.",
  parameters: accuracyParameters.extend({
    max_length: z.int().min(1).default(4096),
    unit,
    right: z
      .tuple([z.number(), z.number()])
      .default([1, 0.5])
      .describe("Worth at length 0 and at max_length."),
    wrong: z
      .tuple([z.number(), z.number()])
      .default([-0.5, 0])
      .describe("Worth at length 0 and at max_length."),
  }),
  create: (parameters) => (call) => {
    const length = lengthOf(call.rollout, parameters.unit);
    const right = isRight(call, parameters);
    const [atZero, atMax] = right ? parameters.right : parameters.wrong;
    const share = (1 - Math.cos(Math.PI * Math.min(1, length / parameters.max_length))) / 2;
    return { score: atZero + (atMax - atZero) * share, metrics: { length } };
  },
});

export const lengthPenaltyReward = defineReward({
  name: "length_penalty",
  description: "0 up to `start`, from there linearly down to -1 at `limit` and beyond.",
  parameters: z
    .strictObject({ start: z.int().min(0).default(2048), limit: z.int().min(1).default(4096), unit })
    .refine(({ start, limit }) => start < limit, { path: ["limit"], error: "must be greater than start" }),
  create:
    ({ start, limit, unit: measure }) =>
    ({ rollout }) => {
      const length = lengthOf(rollout, measure);
      const over = Math.min(1, Math.max(0, (length - start) / (limit - start)));
      return { score: over === 0 ? 0 : -over, metrics: { length } };
    },
});

function lengthOf(rollout: RewardRollout, measure: z.output<typeof unit>): number {
  const text = fullText(rollout);
  if (measure === "words") return text.split(/\s+/).filter((word) => word !== "").length;
  if (measure === "tokens") return rollout.usage?.completion_tokens || [...text].length;
  return [...text].length;
}
