/**
 * `reasoning_steps`: signs that a text goes step by step, each worth its weight once it was seen three times. Easily
 * gamed by itself: give it a small weight beside a reward for being right.
 */
import { z } from "zod";
import { defineReward } from "../reward.ts";
import { fullText } from "./format.ts";

const signs: readonly { pattern: RegExp; weight: number }[] = [
  { pattern: /^[ \t]*(?:\d{1,3}[.)]|step \d{1,3}\b)/gim, weight: 0.5 },
  { pattern: /\b(?:first(?:ly)?|second(?:ly)?|third(?:ly)?|next|then|finally)\b/gi, weight: 0.5 },
  { pattern: /\b(?:because|since|therefore|thus|hence|so that|which means)\b/gi, weight: 0.4 },
  { pattern: /^[ \t]*[-*•][ \t]/gm, weight: 0.3 },
];
const enough = 3;

export const reasoningStepsReward = defineReward({
  name: "reasoning_steps",
  description: "0 to 1: numbered steps, words of order and of reason, bullet points.",
  parameters: z.strictObject({}),
  create:
    () =>
    ({ rollout }) => {
      const text = fullText(rollout);
      const seen = signs.map(({ pattern, weight }) => {
        const count = text.match(pattern)?.length ?? 0;
        return weight * Math.min(1, count / enough);
      });
      const hasBody = text.split(/\s+/, 12).length > 10 ? 0.1 : 0;
      const sum = seen.reduce((all, share) => all + share, 0);
      return Math.min(1, sum === 0 ? 0 : sum + hasBody);
    },
});
