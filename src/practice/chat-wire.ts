/**
 * What the practice server's chat API reads and writes: OpenAI's shapes, as far as a chat without streams needs
 * them, and vLLM's additions that tell ids.
 */
import { z } from "zod";
import type { AssistantMessage, ChatMessage } from "../contracts/chat.ts";
import { fields } from "./wire/fields.ts";

const textPart = z.object({ type: z.literal("text"), text: z.string() });
const content = z
  .union([z.string(), z.array(textPart).transform((parts) => parts.map(({ text }) => text).join(""))])
  .nullish()
  .transform((text) => text ?? null);
const text = content.transform((value) => value ?? "");

const toolCall = z.object({
  id: z.string(),
  type: z.literal("function").default("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const message: z.ZodType<ChatMessage> = z.union([
  z.object({ role: z.literal("user"), content: text }),
  z.object({ role: z.enum(["system", "developer"]).transform(() => "system" as const), content: text }),
  z.object({
    role: z.literal("assistant"),
    content,
    tool_calls: z.array(toolCall).optional(),
    reasoning: z.string().optional().catch(undefined),
    reasoning_content: z.string().optional().catch(undefined),
  }),
  z.object({ role: z.literal("tool"), tool_call_id: z.string(), content: text }),
]);

export const toolSchema = z.object({
  type: z.literal("function"),
  function: z.object({
    name: z.string().min(1),
    description: z.string().default(""),
    parameters: z.record(z.string(), z.json()).default({}),
  }),
});

export const chatRequest = z.object({
  model: z.string().default("practice"),
  messages: z.array(message).min(1),
  tools: z.array(toolSchema).default([]),
  tool_choice: z.unknown().optional(),
  n: z.int().min(1).max(128).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  stop: fields.stop,
  seed: fields.seed,
  stop_token_ids: fields.stopTokenIds,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  return_token_ids: z.boolean().nullish(),
  return_tokens_as_token_ids: z.boolean().nullish(),
  chat_template_kwargs: z.record(z.string(), z.json()).nullish(),
  stream: fields.stream,
});

export type PracticeRequest = z.output<typeof chatRequest>;

export type PracticeChoice = {
  index: number;
  message: AssistantMessage;
  logprobs: unknown;
  finish_reason: "stop" | "length" | "abort" | "tool_calls";
  stop_reason?: string | number | null;
  token_ids?: readonly number[];
};

export type OpenAiError = {
  error: { message: string; type: string; param: string | null; code: string | null };
};

export function openAiError(type: string, message: string, code: string | null = null): OpenAiError {
  return { error: { message, type, param: null, code } };
}

/** Roughly what a tokenizer would count: four characters a token. */
export const estimateTokens = (value: unknown): number =>
  Math.ceil((typeof value === "string" ? value : JSON.stringify(value)).length / charsPerToken);

export const charsPerToken = 4;
