/**
 * Stand-in tokens for inference servers that give no token ids: the UTF-8 bytes of the conversation, every
 * one of them masked. They keep the rollout API's shape (and show the text to whoever looks) but there is
 * nothing in them to train on, which `group_overrides.placeholder_tokens` tells the trainer.
 */
import type { ChatMessage } from "../contracts/chat.ts";

/** Marks a position as not trained on. */
const MASKED = -100;
/** Stands where no log-probability was sampled. */
const NOT_SAMPLED = 1;

export type PlaceholderTokens = { tokens: number[]; masks: number[]; inferenceLogprobs: number[] };

/** Cut to stay shorter than `maxTokenLength`: bytes are no measure of the model's own tokens. */
export function placeholderTokens(
  messages: readonly ChatMessage[],
  maxTokenLength: number,
): PlaceholderTokens {
  const bytes = new TextEncoder().encode(messages.map(renderMessage).join("\n"));
  const tokens = [...bytes.subarray(0, Math.max(1, maxTokenLength - 1))];
  return { tokens, masks: tokens.map(() => MASKED), inferenceLogprobs: tokens.map(() => NOT_SAMPLED) };
}

function renderMessage(message: ChatMessage): string {
  const parts = [message.content ?? ""];
  if (message.role === "assistant") {
    for (const call of message.tool_calls ?? [])
      parts.push(`${call.function.name}(${call.function.arguments})`);
  }
  return `${message.role}: ${parts.filter((part) => part !== "").join("\n")}`;
}
