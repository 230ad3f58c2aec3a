/** OpenAI's chat completions: messages, tools, n, streams, and the sampling fields that vLLM adds. */
import { z } from "zod";
import type { ChatChoice, ChatMessage, JsonObject, Usage } from "../contracts/chat.ts";
import {
  type ApiContext,
  ignoredFields,
  joinTexts,
  jsonObject,
  type ModelApi,
  type ReadRequest,
  readBody,
  type StreamEvent,
  textPieces,
  toolSchema,
} from "./model-api.ts";
import { openAiError } from "./proxy-refusal.ts";
import type { Answered } from "./session-calls.ts";

const textPart = z.object({
  type: z.literal("text", { error: "only text is understood; images, audio and files are not" }),
  text: z.string(),
});
const text = z.union([
  z.string(),
  z.array(textPart).transform((parts) => joinTexts(parts.map((part) => part.text))),
]);

const toolCall = z.object({
  id: z.string(),
  type: z.literal("function").default("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const thinking = {
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
};

const message = z.discriminatedUnion("role", [
  z
    .object({ role: z.enum(["system", "developer"]), content: text })
    .transform(({ content }) => ({ role: "system" as const, content })),
  z.object({ role: z.literal("user"), content: text }),
  z.object({
    role: z.literal("assistant"),
    content: text.nullish(),
    tool_calls: z.array(toolCall).nullish(),
    ...thinking,
  }),
  z.object({
    role: z.literal("tool"),
    tool_call_id: z.string(),
    content: text.nullish().transform((said) => said ?? ""),
  }),
]);

const tool = z.object({
  type: z.literal("function", { error: "only function tools can be offered" }),
  function: z.object({
    name: z.string(),
    description: z.string().nullish(),
    parameters: jsonObject.nullish(),
  }),
});

/** Given on to the inference server as they are. */
const samplingExtras = {
  top_k: z.int().nullish(),
  min_p: z.number().nullish(),
  repetition_penalty: z.number().nullish(),
  presence_penalty: z.number().nullish(),
  frequency_penalty: z.number().nullish(),
  logit_bias: jsonObject.nullish(),
  stop_token_ids: z.array(z.int()).nullish(),
  chat_template_kwargs: jsonObject.nullish(),
};

const fields = {
  model: z.string().nullish(),
  messages: z.array(message).min(1, { error: "expected at least one message" }),
  tools: z.array(tool).nullish(),
  tool_choice: z.union([z.enum(["auto", "none", "required"]), z.looseObject({})]).nullish(),
  n: z.int().min(1).max(128).nullish(),
  temperature: z.number().min(0).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  seed: z.int().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  ...samplingExtras,
};
const chatBody = z.looseObject(fields);
type ChatBody = z.output<typeof chatBody>;

/** Say nothing about the answer. */
const harmless = ["user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"];
const known = new Set([...Object.keys(fields), ...harmless]);

export const chatCompletions: ModelApi = {
  path: "/chat/completions",
  error: openAiError,
  errorEvent: (refusal) => ({ data: openAiError(refusal) }),
  read: (given, context) => readChat(readBody(chatBody, given), context),
};

/** The conversation alone, for `render`. */
export function readConversation(given: unknown, { session }: Pick<ApiContext, "session">) {
  const { messages, tools, chat_template_kwargs: kwargs } = readBody(chatBody, given);
  return {
    messages: session.callMemory.restore(messages.map(toMessage)),
    tools: (tools ?? []).map((offered) => toolSchema(offered.function)),
    kwargs: kwargs ?? {},
  };
}

function readChat(body: ChatBody, { session, modelName, maxTokens }: ApiContext): ReadRequest {
  const { tools, tool_choice: choice, temperature, top_p, seed, n } = body;
  const limits = [body.max_completion_tokens, body.max_tokens].filter((limit) => typeof limit === "number");
  const extras = jsonObject.parse(
    Object.fromEntries(
      Object.keys(samplingExtras).flatMap((key) => (isSet(body[key]) ? [[key, body[key]]] : [])),
    ),
  );
  const forces = choice === "required" || (typeof choice === "object" && choice !== null);
  const withUsage = body.stream_options?.include_usage === true;
  const model = body.model ?? modelName;
  return {
    streams: body.stream === true,
    ignored: [...ignoredFields(body, known), ...(forces ? ["tool_choice"] : [])],
    chat: {
      messages: session.callMemory.restore(body.messages.map(toMessage)),
      ...(tools?.length && { tools: tools.map((offered) => toolSchema(offered.function)) }),
      ...(choice === "none" && { tool_choice: choice }),
      max_tokens: limits.length > 0 ? Math.min(...limits) : maxTokens,
      ...(isSet(n) && { n }),
      ...(isSet(temperature) && { temperature }),
      ...(isSet(top_p) && { top_p }),
      ...(isSet(seed) && { seed }),
      ...(isSet(body.stop) && { stop: typeof body.stop === "string" ? [body.stop] : body.stop }),
      ...(Object.keys(extras).length > 0 && { extra_body: extras }),
    },
    whole: (answered) => wholeAnswer(answered, model),
    pieces: (answered) => chunks(answered, model, withUsage),
  };
}

const isSet = <Value>(value: Value | null | undefined): value is Value =>
  value !== null && value !== undefined;

function toMessage(given: z.output<typeof message>): ChatMessage {
  if (given.role !== "assistant") return given;
  const { content, tool_calls, reasoning_content, reasoning } = given;
  const thought = reasoning_content ?? reasoning;
  return {
    role: "assistant",
    content: content ?? null,
    ...(thought && { reasoning_content: thought }),
    ...(tool_calls?.length && { tool_calls }),
  };
}

function wholeAnswer({ completion, createdSeconds }: Answered, model: string): JsonObject {
  return {
    id: completion.id,
    object: "chat.completion",
    created: createdSeconds,
    model,
    choices: completion.choices.map(({ index, message: { role, content, ...rest }, finish_reason }) => ({
      index,
      message: { role, content, refusal: null, ...jsonObject.parse(rest) },
      logprobs: null,
      finish_reason,
    })),
    usage: usageOf(completion.usage),
  };
}

const usageOf = (usage: Usage | undefined): JsonObject | null => (usage === undefined ? null : { ...usage });

/** Role, thinking, words, calls, the end: choice after choice. */
function* chunks(
  { completion, createdSeconds }: Answered,
  model: string,
  withUsage: boolean,
): Generator<StreamEvent> {
  const head = { id: completion.id, object: "chat.completion.chunk", created: createdSeconds, model };
  const usage: JsonObject = withUsage ? { usage: null } : {};
  const chunk = (index: number, delta: JsonObject, finish: string | null = null): StreamEvent => ({
    data: { ...head, choices: [{ index, delta, logprobs: null, finish_reason: finish }], ...usage },
  });
  for (const choice of completion.choices) {
    yield chunk(choice.index, { role: "assistant", content: "" });
    for (const delta of deltas(choice)) yield chunk(choice.index, delta);
    yield chunk(choice.index, {}, choice.finish_reason);
  }
  if (withUsage) yield { data: { ...head, choices: [], usage: usageOf(completion.usage) } };
  yield { data: "[DONE]" };
}

function* deltas({ message }: ChatChoice): Generator<JsonObject> {
  for (const piece of textPieces(message.reasoning_content ?? "")) yield { reasoning_content: piece };
  for (const piece of textPieces(message.content ?? "")) yield { content: piece };
  for (const [index, call] of (message.tool_calls ?? []).entries()) {
    const { id, type, function: called } = call;
    yield { tool_calls: [{ index, id, type, function: { name: called.name, arguments: "" } }] };
    for (const piece of textPieces(called.arguments)) {
      yield { tool_calls: [{ index, function: { arguments: piece } }] };
    }
  }
}
