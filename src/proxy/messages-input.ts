/** Anthropic's messages as those of the chat: blocks of text, thinking, tool uses and their results. */
import { z } from "zod";
import type { ChatMessage } from "../contracts/chat.ts";
import { joinTexts } from "./model-api.ts";

const onlyText = "only text, thinking and tools are understood; images and documents are not";

const textBlock = z.object({ type: z.literal("text"), text: z.string() });
const texts = z.union([
  z.string(),
  z
    .array(z.object({ type: z.literal("text", { error: onlyText }), text: z.string() }))
    .transform((blocks) => joinTexts(blocks.map(({ text }) => text))),
]);

const userBlock = z.discriminatedUnion(
  "type",
  [
    textBlock,
    z.object({ type: z.literal("tool_result"), tool_use_id: z.string(), content: texts.nullish() }),
  ],
  { error: onlyText },
);
const assistantBlock = z.discriminatedUnion(
  "type",
  [
    textBlock,
    z.object({ type: z.literal("thinking"), thinking: z.string() }),
    z.object({ type: z.literal("redacted_thinking") }),
    z.object({
      type: z.literal("tool_use"),
      id: z.string(),
      name: z.string(),
      input: z.record(z.string(), z.json()),
    }),
  ],
  { error: onlyText },
);

const message = z.discriminatedUnion("role", [
  z.object({ role: z.literal("user"), content: z.union([z.string(), z.array(userBlock)]) }),
  z.object({ role: z.literal("assistant"), content: z.union([z.string(), z.array(assistantBlock)]) }),
]);

export const conversationFields = {
  system: texts.nullish(),
  messages: z.array(message).min(1, { error: "expected at least one message" }),
};

type Given = { system?: string | null | undefined; messages: readonly z.output<typeof message>[] };

export function chatMessagesOf({ system, messages }: Given): ChatMessage[] {
  const first: ChatMessage[] = system ? [{ role: "system", content: system }] : [];
  return [...first, ...messages.flatMap(toMessages)];
}

function toMessages({ role, content }: z.output<typeof message>): ChatMessage[] {
  if (typeof content === "string") return [{ role, content }];
  return role === "user" ? userMessages(content) : [assistantMessage(content)];
}

/** Results of tools are messages of their own, and come before what the user says. */
function userMessages(blocks: readonly z.output<typeof userBlock>[]): ChatMessage[] {
  const results = blocks.flatMap((block): ChatMessage[] =>
    block.type === "tool_result"
      ? [{ role: "tool", tool_call_id: block.tool_use_id, content: block.content ?? "" }]
      : [],
  );
  const said = blocks.flatMap((block) => (block.type === "text" ? [block.text] : []));
  return said.length === 0 ? results : [...results, { role: "user", content: joinTexts(said) }];
}

function assistantMessage(blocks: readonly z.output<typeof assistantBlock>[]): ChatMessage {
  const said = blocks.flatMap((block) => (block.type === "text" ? [block.text] : []));
  const thought = blocks.flatMap((block) => (block.type === "thinking" ? [block.thinking] : []));
  const calls = blocks.flatMap((block) =>
    block.type === "tool_use"
      ? [
          {
            id: block.id,
            type: "function" as const,
            function: { name: block.name, arguments: JSON.stringify(block.input) },
          },
        ]
      : [],
  );
  return {
    role: "assistant",
    content: said.length === 0 ? null : said.join(""),
    ...(thought.length > 0 && { reasoning_content: thought.join("") }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}
