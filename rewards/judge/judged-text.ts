/** What of a rollout a judge is shown. */
import { answerText, type RewardItem, type RewardRollout, textField } from "../reward.ts";

export const judgedParts = ["answer", "conversation"] as const;
export type JudgedPart = (typeof judgedParts)[number];

/** The last message behind its thinking, or all that the model said and did after the first user message. */
export function judgedText(rollout: RewardRollout, part: JudgedPart): string {
  if (part === "answer") return answerText(rollout);
  const first = rollout.messages.findIndex(({ role }) => role === "user");
  return rollout.messages
    .slice(first + 1)
    .map((message) => {
      const calls = message.role === "assistant" ? (message.tool_calls ?? []) : [];
      const lines = [
        ...(message.content ? [message.content] : []),
        ...calls.map(({ function: { name, arguments: args } }) => `(calls ${name} with ${args})`),
      ];
      return `## ${message.role}\n${lines.join("\n")}`;
    })
    .join("\n\n");
}

/** The item's field, or what the rollout was asked. */
export function questionText(rollout: RewardRollout, item: RewardItem, field: string | null): string {
  if (field !== null) return textField(item, field);
  return rollout.messages.find(({ role }) => role === "user")?.content ?? "";
}
