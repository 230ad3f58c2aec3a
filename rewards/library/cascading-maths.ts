/**
 * `cascading_maths`: being right comes first, and the form counts only for who is right. 1 for the right answer, and
 * `form_bonus` on top where the text is one block of thinking and then an answer without tags.
 */
import { z } from "zod";
import { defineReward } from "../reward.ts";
import { accuracyParameters, isRight } from "./accuracy.ts";
import { fullText } from "./format.ts";

export const cascadingMathsReward = defineReward({
  name: "cascading_maths",
  description: "1 for the right answer, and a bonus for the right form of a right answer.",
  parameters: accuracyParameters.extend({
    form_bonus: z.number().min(0).default(0.5).describe("For one <think> block, then text without tags."),
  }),
  create: (parameters) => (call) => {
    if (!isRight(call, parameters)) return { score: 0, metrics: { accuracy: 0 } };
    const wellFormed = /^\s*<think>[^<]*<\/think>[^<]*\S[^<]*$/.test(fullText(call.rollout));
    return { score: 1 + (wellFormed ? parameters.form_bonus : 0), metrics: { accuracy: 1 } };
  },
});
