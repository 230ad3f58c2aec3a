/** Anthropic's messages: system, blocks, tools, and its streams of named events. */
import { z } from "zod";
import type { ChatChoice, ChatCompletion, JsonObject } from "../contracts/chat.ts";
import { toolInput } from "./call-memory.ts";
import { chatMessagesOf, conversationFields } from "./messages-input.ts";
import {
  type ApiContext,
  idLike,
  ignoredFields,
  jsonObject,
  type ModelApi,
  type ReadRequest,
  readBody,
  type StreamEvent,
  textPieces,
  toolSchema,
} from "./model-api.ts";
import { anthropicError } from "./proxy-refusal.ts";

const tool = z.object({
  type: z.literal("custom", { error: "only tools of one's own can be offered" }).nullish(),
  name: z.string(),
  description: z.string().nullish(),
  input_schema: jsonObject,
});

const conversation = {
  ...conversationFields,
  model: z.string().nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: z.looseObject({ type: z.enum(["auto", "any", "tool", "none"]) }).nullish(),
  thinking: z.looseObject({ type: z.enum(["enabled", "adaptive", "disabled"]) }).nullish(),
};
const fields = {
  ...conversation,
  max_tokens: z.int().min(1),
  temperature: z.number().min(0).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().nullish(),
  stop_sequences: z.array(z.string()).nullish(),
  stream: z.boolean().nullish(),
};
const messagesBody = z.looseObject(fields);
type MessagesBody = z.output<typeof messagesBody>;

/** Say nothing about the answer. */
const harmless = ["metadata", "service_tier", "cache_control", "betas", "diagnostics"];
const known = new Set([...Object.keys(fields), ...harmless]);

export const messages: ModelApi = {
  path: "/messages",
  error: anthropicError,
  errorEvent: (refusal) => ({ event: "error", data: anthropicError(refusal) }),
  read: (given, context) => readMessages(readBody(messagesBody, given), context),
};

const counted = z.looseObject(conversation);

/** The conversation alone, for `count_tokens`. */
export function readCounted(given: unknown, { session }: Pick<ApiContext, "session">) {
  const body = readBody(counted, given);
  return {
    messages: session.callMemory.restore(chatMessagesOf(body)),
    tools: body.tool_choice?.type === "none" ? [] : toolsOf(body),
    kwargs: thinkingKwargs(body),
  };
}

function readMessages(body: MessagesBody, { session, modelName }: ApiContext): ReadRequest {
  const { tool_choice: choice, thinking, temperature, top_p, top_k, stop_sequences: stop } = body;
  const extras = {
    ...(typeof top_k === "number" && { top_k }),
    ...(thinking && { chat_template_kwargs: thinkingKwargs(body) }),
  };
  const forces = choice?.type === "any" || choice?.type === "tool";
  const tools = toolsOf(body);
  const model = body.model ?? modelName;
  return {
    streams: body.stream === true,
    ignored: [...ignoredFields(body, known), ...(forces ? ["tool_choice"] : [])],
    chat: {
      messages: session.callMemory.restore(chatMessagesOf(body)),
      ...(tools.length > 0 && { tools }),
      ...(choice?.type === "none" && { tool_choice: "none" }),
      max_tokens: body.max_tokens,
      ...(typeof temperature === "number" && { temperature }),
      ...(typeof top_p === "number" && { top_p }),
      ...(stop?.length && { stop }),
      ...(Object.keys(extras).length > 0 && { extra_body: extras }),
    },
    whole: ({ completion }) => wholeMessage(completion, model),
    pieces: ({ completion }) => messageEvents(wholeMessage(completion, model), completion.choices[0]),
  };
}

const toolsOf = ({ tools }: Pick<MessagesBody, "tools">) =>
  (tools ?? []).map(({ input_schema: parameters, ...offered }) => toolSchema({ ...offered, parameters }));

/** What the request says of thinking, in the words of chat templates; nothing when it says nothing. */
const thinkingKwargs = ({ thinking }: Pick<MessagesBody, "thinking">): JsonObject =>
  thinking ? { enable_thinking: thinking.type !== "disabled" } : {};

function wholeMessage({ id, choices, usage }: ChatCompletion, model: string): JsonObject {
  const [choice] = choices;
  return {
    id: idLike("msg_", id),
    type: "message",
    role: "assistant",
    model,
    content: choice === undefined ? [] : blocksOf(choice),
    stop_reason: stopReasonOf(choice),
    stop_sequence: typeof choice?.stop_reason === "string" ? choice.stop_reason : null,
    container: null,
    usage: {
      input_tokens: usage?.prompt_tokens ?? 0,
      output_tokens: usage?.completion_tokens ?? 0,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
    },
  };
}

function stopReasonOf(choice: ChatChoice | undefined): string {
  if (choice?.finish_reason === "length") return "max_tokens";
  if (choice?.finish_reason === "tool_calls") return "tool_use";
  return typeof choice?.stop_reason === "string" ? "stop_sequence" : "end_turn";
}

/** Clients hand thinking back only when it is signed. Nobody checks the signature here. */
const signature = "bGFjaGVzaXM=";

function blocksOf({ message: { content, reasoning_content: thought, tool_calls: calls = [] } }: ChatChoice) {
  const blocks: JsonObject[] = [];
  if (thought) blocks.push({ type: "thinking", thinking: thought, signature });
  if (content) blocks.push({ type: "text", text: content, citations: null });
  for (const { id, function: called } of calls) {
    blocks.push({ type: "tool_use", id, name: called.name, input: toolInput(called.arguments) });
  }
  return blocks;
}

/** Block after block: its start, its pieces, its end; then why it stopped. */
function* messageEvents(whole: JsonObject, choice: ChatChoice | undefined): Generator<StreamEvent> {
  const event = (type: string, fields: JsonObject): StreamEvent => ({
    event: type,
    data: { type, ...fields },
  });
  const usage = jsonObject.parse(whole.usage);
  const { stop_reason, stop_sequence } = whole;
  const begun = { ...whole, content: [], stop_reason: null, stop_sequence: null };
  yield event("message_start", { message: { ...begun, usage: { ...usage, output_tokens: 0 } } });
  yield event("ping", {});
  const blocks = choice === undefined ? [] : blocksOf(choice);
  for (const [index, block] of blocks.entries()) {
    yield event("content_block_start", { index, content_block: emptied(block) });
    for (const delta of deltasOf(block)) yield event("content_block_delta", { index, delta });
    yield event("content_block_stop", { index });
  }
  const delta = { stop_reason: stop_reason ?? null, stop_sequence: stop_sequence ?? null };
  yield event("message_delta", { delta, usage });
  yield event("message_stop", {});
}

function emptied(block: JsonObject): JsonObject {
  if (block.type === "thinking") return { type: "thinking", thinking: "", signature: "" };
  return block.type === "text" ? { ...block, text: "" } : { ...block, input: {} };
}

function* deltasOf(block: JsonObject): Generator<JsonObject> {
  switch (block.type) {
    case "thinking":
      for (const thinking of textPieces(String(block.thinking))) yield { type: "thinking_delta", thinking };
      yield { type: "signature_delta", signature };
      return;
    case "text":
      for (const text of textPieces(String(block.text))) yield { type: "text_delta", text };
      return;
    default:
      for (const partial_json of textPieces(JSON.stringify(block.input))) {
        yield { type: "input_json_delta", partial_json };
      }
  }
}
