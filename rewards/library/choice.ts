/** The reward of multiple-choice questions. */
import { z } from "zod";
import { choiceLetter } from "../choice-letter.ts";
import { answerText, defineReward, textField } from "../reward.ts";

export const choiceReward = defineReward({
  name: "choice",
  description: "1 when the answer settles on the right letter, and on no other, else 0.",
  parameters: z.strictObject({
    answer_field: z.string().default("answer").describe("The item's field with the right letter."),
    choices_field: z.string().default("choices").describe("The item's field with the list of choices."),
  }),
  create:
    ({ answer_field, choices_field }) =>
    ({ rollout, item }) => {
      const choices = item[choices_field];
      const letter = choiceLetter(answerText(rollout), Array.isArray(choices) ? choices.length : undefined);
      return letter !== null && letter === textField(item, answer_field).trim().toUpperCase() ? 1 : 0;
    },
});
