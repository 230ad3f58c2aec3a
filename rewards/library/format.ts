/** Rewards for the form of an answer: tags, a box, a text that must be there. */
import { z } from "zod";
import { answerText, defineReward, lastText, type RewardRollout, textField } from "../reward.ts";

export const formatReward = defineReward({
  name: "format",
  description:
    "1 when each tag is opened and closed exactly once, in this order, with something in it; else 0.",
  parameters: z.strictObject({
    tags: z
      .array(z.string().regex(/^[\w-]+$/, "expected a tag's bare name"))
      .min(1)
      .default(["think", "answer"]),
    require: z
      .enum(["all", "any"])
      .default("all")
      .describe("all: every tag, in order, and no text that is outside of them. any: at least one."),
  }),
  create:
    ({ tags, require }) =>
    ({ rollout }) => {
      const text = fullText(rollout);
      if (require === "any") return tags.some((tag) => content(text, tag) !== null) ? 1 : 0;
      const body = tags.map(
        (tag) => `<${tag}>(?!\\s*</${tag}>)(?:(?!</?(?:${tags.join("|")})>)[\\s\\S])+</${tag}>`,
      );
      return new RegExp(`^\\s*${body.join("\\s*")}\\s*$`).test(text) ? 1 : 0;
    },
});

export const boxedReward = defineReward({
  name: "boxed",
  description: "1 when the answer has a closed \\boxed{…} that holds something, else 0.",
  parameters: z.strictObject({}),
  create:
    () =>
    ({ rollout }) =>
      /\\boxed\s*\{\s*[^\s{}]/.test(answerText(rollout)) ? 1 : 0,
});

export const exactMatchReward = defineReward({
  name: "exact_match",
  description: "1 when the answer is the gold text, white space around it aside; else 0.",
  parameters: z.strictObject({
    answer_field: z.string().default("answer").describe("The item's field with the gold text."),
    ignore_case: z.boolean().default(false),
  }),
  create:
    (parameters) =>
    ({ rollout, item }) => {
      const fold = (text: string) => (parameters.ignore_case ? text.trim().toLowerCase() : text.trim());
      return fold(answerText(rollout)) === fold(textField(item, parameters.answer_field)) ? 1 : 0;
    },
});

export const containsReward = defineReward({
  name: "contains",
  description:
    "1 when the answer holds the item's text somewhere, else 0. A model that lists every answer gets it, too.",
  parameters: z.strictObject({
    answer_field: z.string().default("answer").describe("The item's field with the text to find."),
    ignore_case: z.boolean().default(true),
  }),
  create:
    (parameters) =>
    ({ rollout, item }) => {
      const fold = (text: string) => (parameters.ignore_case ? text.toLowerCase() : text).trim();
      const wanted = fold(textField(item, parameters.answer_field));
      return wanted !== "" && fold(answerText(rollout)).includes(wanted) ? 1 : 0;
    },
});

/** The last message as the model wrote it: a server may have taken the thinking out of it. */
export function fullText(rollout: RewardRollout): string {
  const last = rollout.messages.findLast(({ role }) => role === "assistant");
  const reasoning = last !== undefined && "reasoning_content" in last ? last.reasoning_content : undefined;
  const text = lastText(rollout);
  return typeof reasoning === "string" && reasoning !== "" ? `<think>${reasoning}</think>${text}` : text;
}

/** What stands in the only pair of the tag; null where there isn't exactly one, or nothing in it. */
function content(text: string, tag: string): string | null {
  const opened = text.split(`<${tag}>`);
  const closed = text.split(`</${tag}>`);
  if (opened.length !== 2 || closed.length !== 2) return null;
  const inside = opened[1]?.split(`</${tag}>`)[0] ?? "";
  return (closed[0]?.length ?? 0) > (opened[0]?.length ?? 0) && inside.trim() !== "" ? inside : null;
}
