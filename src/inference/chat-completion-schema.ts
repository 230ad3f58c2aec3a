/**
 * The edge where a server's answer becomes a ChatCompletion. What the model wrote is taken as it is; what the
 * server must guarantee (choices, message, finish_reason, types) is checked. Unknown fields are dropped.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { AssistantMessage, ChatChoice, ChatCompletion } from "../contracts/chat.ts";

const toolCall = z.object({
  id: z.string().nullish(),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const text = z.string().optional().catch(undefined);
const reasoningDetail = z.looseObject({ type: text, text });

const message = z.object({
  role: z.literal("assistant").nullish(),
  content: z.string().nullish(),
  tool_calls: z.array(toolCall).nullish(),
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  reasoning_details: z.array(reasoningDetail).nullish(),
});

const choice = z.object({ index: z.int().nullish(), message, finish_reason: z.string() });

const usage = z.object({
  prompt_tokens: z.int().min(0),
  completion_tokens: z.int().min(0),
  total_tokens: z.int().min(0),
});

const completion = z.object({
  id: z.string().nullish(),
  model: z.string().nullish(),
  choices: z.array(choice).min(1),
  // Only reported, never relied on: a server that counts oddly still gives a usable completion.
  usage: usage.optional().catch(undefined),
});

export type ParsedCompletion = { ok: true; completion: ChatCompletion } | { ok: false; problem: string };

/** Checks an answer's body; `problem` says which part is not as it should be. */
export function parseChatCompletion(body: unknown): ParsedCompletion {
  const parsed = completion.safeParse(body);
  if (!parsed.success) return { ok: false, problem: describeIssues(parsed.error) };
  const { id, model, choices, usage } = parsed.data;
  return {
    ok: true,
    completion: {
      id: id ?? "",
      model: model ?? "",
      choices: choices.map(toChoice),
      ...(usage && { usage }),
    },
  };
}

function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`)
    .join("; ");
}

function toChoice({ index, message, finish_reason }: z.output<typeof choice>, position: number): ChatChoice {
  return { index: index ?? position, message: toMessage(message), finish_reason };
}

function toMessage(parsed: z.output<typeof message>): AssistantMessage {
  const { content, tool_calls, reasoning_content, reasoning, reasoning_details } = parsed;
  return {
    role: "assistant",
    content: content ?? null,
    ...(tool_calls?.length && { tool_calls: tool_calls.map(toToolCall) }),
    ...(typeof reasoning_content === "string" && { reasoning_content }),
    ...(typeof reasoning === "string" && { reasoning }),
    ...(reasoning_details && { reasoning_details }),
  };
}

/** A call without an id gets one, so that its result can be told apart from its neighbours'. */
const toToolCall = ({ id, function: { name, arguments: text } }: z.output<typeof toolCall>) => ({
  id: id || `call_${randomUUID()}`,
  type: "function" as const,
  function: { name, arguments: text },
});
