/** `accuracy`: 1 when the answer is right, else 0. */
import { z } from "zod";
import { verifyMath } from "../maths/verify-maths.ts";
import { scoreNumericAnswer } from "../numeric-answer.ts";
import { answerText, defineReward, textField } from "../reward.ts";

export const accuracyParameters = z.strictObject({
  answer_field: z.string().default("answer").describe("The item's field with the gold answer."),
  verifier: z
    .enum(["maths", "number", "exact"])
    .default("maths")
    .describe(
      "maths: any expression, as docs/rewards.md says. number: one number, as GSM8K has it. exact: the same text.",
    ),
  max_boxes: z
    .int()
    .min(1)
    .default(6)
    .describe("More boxes than these in an answer are guesses at each, and worth 0."),
});

export type AccuracyParameters = z.output<typeof accuracyParameters>;

export const accuracyReward = defineReward({
  name: "accuracy",
  description: "1 when the answer equals the gold one, else 0.",
  parameters: accuracyParameters,
  create:
    (parameters) =>
    ({ rollout, item }) =>
      isRight(textField(item, parameters.answer_field), answerText(rollout), parameters) ? 1 : 0,
});

/** Whether an answer, thinking left out, is the gold one. */
export function isRight(gold: string, answer: string, parameters: AccuracyParameters): boolean {
  const boxes = answer.match(/\\(?:boxed|fbox)\b/g)?.length ?? 0;
  if (boxes > parameters.max_boxes) return false;
  switch (parameters.verifier) {
    case "exact":
      return answer.trim() === gold.trim();
    case "number":
      return scoreNumericAnswer(gold, answer) === 1;
    case "maths":
      return verifyMath(gold, answer).equal;
    default:
      return parameters.verifier satisfies never;
  }
}
