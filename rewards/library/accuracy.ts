/** `accuracy`: 1 when the answer is right, else 0. */
import { z } from "zod";
import { scoreAsGsm8kPaper } from "../gsm8k-paper.ts";
import { type MathVerdict, verifyMath } from "../maths/verify-maths.ts";
import { scoreNumericAnswer } from "../numeric-answer.ts";
import { answerText, defineReward, type RewardCall, textField } from "../reward.ts";

export const accuracyParameters = z.strictObject({
  answer_field: z.string().default("answer").describe("The item's field with the gold answer."),
  verifier: z
    .enum(["maths", "number", "gsm8k_paper", "exact"])
    .default("maths")
    .describe(
      "maths: any expression, as docs/rewards.md says. number: one number, by its value. gsm8k_paper: the text behind `####`, as the GSM8K paper compared it. exact: the same text.",
    ),
  max_boxes: z
    .int()
    .min(1)
    .default(6)
    .describe("More boxes than these in an answer are guesses at each, and worth 0."),
  problem_field: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "maths: the item's field with the problem. A formula that is only copied out of it is no answer, even where it means the same.",
    ),
});

export type AccuracyParameters = z.output<typeof accuracyParameters>;

export const accuracyReward = defineReward({
  name: "accuracy",
  description: "1 when the answer equals the gold one, else 0.",
  parameters: accuracyParameters,
  create: (parameters) => (call) => (isRight(call, parameters) ? 1 : 0),
});

/** Whether the rollout's answer, thinking left out, is the gold one. */
export function isRight({ rollout, item }: RewardCall, parameters: AccuracyParameters): boolean {
  const gold = textField(item, parameters.answer_field);
  const answer = answerText(rollout);
  const boxes = answer.match(/\\(?:boxed|fbox)\b/g)?.length ?? 0;
  if (boxes > parameters.max_boxes) return false;
  switch (parameters.verifier) {
    case "exact":
      return answer === gold.trim();
    case "number":
      return scoreNumericAnswer(gold, answer) === 1;
    case "gsm8k_paper":
      return scoreAsGsm8kPaper(gold, answer) === 1;
    case "maths": {
      const verdict = verifyMath(gold, answer);
      if (!verdict.equal || parameters.problem_field === null) return verdict.equal;
      return !isCopied(verdict, textField(item, parameters.problem_field));
    }
    default:
      return parameters.verifier satisfies never;
  }
}

/**
 * Whether the answer is a formula of the problem, written as there, and not as the gold answer is: "factor x^2 - 25"
 * isn't solved by "x^2 - 25". A bare number may well stand in the problem.
 */
function isCopied(verdict: MathVerdict, problem: string): boolean {
  const [gold, answer] = [verdict.gold, verdict.answer].map((shown) =>
    squeezed(shown.replace(/ \(read as .*$/s, "")),
  );
  if (gold === undefined || answer === undefined || answer === gold) return false;
  return /[^\d.,%-]/.test(answer) && squeezed(problem).includes(answer);
}

const squeezed = (text: string): string => text.replace(/\s+|\\[,;! ]|\$/g, "");
