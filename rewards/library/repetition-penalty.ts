/**
 * `repetition_penalty`: 0 for a text that doesn't repeat itself, down to -1. A sentence that comes again costs at least
 * 0.6; else words, phrases, stutters and openings of sentences count as far as they repeat more than a little.
 */
import { z } from "zod";
import { defineReward } from "../reward.ts";
import { fullText } from "./format.ts";

const shortestSentenceWords = 4;
const phraseWords = 4;
/** Texts of fewer words have nothing to repeat. */
const fewestWords = 12;
/** Only so much of the end is looked at: a text that runs in circles does it there. */
const mostCharacters = 100_000;

export const repetitionPenaltyReward = defineReward({
  name: "repetition_penalty",
  description: "0 to -1, the more a text repeats sentences, phrases, words and openings.",
  parameters: z.strictObject({
    threshold: z.number().min(0).max(1).default(0.05).describe("Share of repetitions that is still normal."),
  }),
  create:
    ({ threshold }) =>
    ({ rollout }) => {
      const text = fullText(rollout).slice(-mostCharacters).toLowerCase();
      const words = text.match(/[\p{L}\p{N}]+/gu) ?? [];
      if (words.length < fewestWords) return 0;
      const sentences = text
        .split(/[.!?\n]+/)
        .map((sentence) => sentence.match(/[\p{L}\p{N}]+/gu) ?? [])
        .filter((sentence) => sentence.length >= shortestSentenceWords);
      const repeatedSentences = repeatedShare(sentences.map((sentence) => sentence.join(" ")));
      if (repeatedSentences > 0) return -Math.min(1, 0.6 + 0.4 * repeatedSentences);

      const phrases = words
        .slice(phraseWords - 1)
        .map((_word, index) => words.slice(index, index + phraseWords).join(" "));
      const stutters =
        words.filter((word, index) => index > 0 && word === words[index - 1]).length / words.length;
      const openings = sentences.map((sentence) => sentence.slice(0, 3).join(" "));
      const over = (share: number) => Math.max(0, share - threshold);
      const penalty =
        // Of words, half are the usual small ones.
        0.3 * over(Math.max(0, 2 * (repeatedShare(words) - 0.5))) +
        0.4 * over(repeatedShare(phrases)) +
        0.6 * over(stutters) +
        0.5 * over(repeatedShare(openings));
      return penalty === 0 ? 0 : -Math.min(1, penalty);
    },
});

/** How many of the texts stood there before. */
function repeatedShare(texts: readonly string[]): number {
  return texts.length === 0 ? 0 : 1 - new Set(texts).size / texts.length;
}
