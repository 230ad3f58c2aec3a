/** OpenAI's Responses API: items in, items out; a conversation may be given whole or by the response before. */
import { z } from "zod";
import type { ChatMessage, JsonObject } from "../contracts/chat.ts";
import {
  type ApiContext,
  idLike,
  ignoredFields,
  jsonObject,
  type ModelApi,
  type ReadRequest,
  readBody,
  toolSchema,
} from "./model-api.ts";
import { invalidRequest, openAiError } from "./proxy-refusal.ts";
import type { ProxySession } from "./proxy-session.ts";
import { type InputItem, inputItems, messagesOf } from "./responses-input.ts";
import { outputItems, responseEvents } from "./responses-output.ts";
import type { Answered } from "./session-calls.ts";

const tool = z.looseObject({
  type: z.literal("function", { error: "only function tools can be offered" }),
  name: z.string(),
  description: z.string().nullish(),
  parameters: jsonObject.nullish(),
});

const fields = {
  model: z.string().nullish(),
  input: z.union([z.string(), inputItems]).default([]),
  instructions: z.string().nullish(),
  previous_response_id: z.string().nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: z.union([z.enum(["auto", "none", "required"]), z.looseObject({})]).nullish(),
  temperature: z.number().min(0).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  metadata: jsonObject.nullish(),
  reasoning: jsonObject.nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
};
const responsesBody = z.looseObject(fields);
type ResponsesBody = z.output<typeof responsesBody>;

/** Say nothing about the answer. */
const harmless = ["user", "include", "service_tier", "safety_identifier", "prompt_cache_key"];
const known = new Set([...Object.keys(fields), ...harmless]);

export const responses: ModelApi = {
  path: "/responses",
  error: openAiError,
  errorEvent: ({ code, message, param }) => ({
    event: "error",
    data: { type: "error", sequence_number: 0, code, message, param: param ?? null },
  }),
  read: (given, context) => readResponses(readBody(responsesBody, given), context),
};

function readResponses(body: ResponsesBody, { session, modelName, maxTokens }: ApiContext): ReadRequest {
  const { instructions, tools, tool_choice: choice, temperature, top_p, max_output_tokens, reasoning } = body;
  const conversation = session.callMemory.restore(conversationOf(body, session));
  if (conversation.length === 0) throw invalidRequest("input: expected at least one item", "input");
  const system: ChatMessage[] = instructions ? [{ role: "system", content: instructions }] : [];
  const forces = choice === "required" || (typeof choice === "object" && choice !== null);
  const remember = ({ completion }: Answered): JsonObject[] => {
    const items = outputItems(completion);
    const said = completion.choices.slice(0, 1).map(({ message }) => message);
    session.responses.remember(idLike("resp_", completion.id), [...conversation, ...said], items);
    return items;
  };
  return {
    streams: body.stream === true,
    ignored: [...ignoredFields(body, known), ...(forces ? ["tool_choice"] : [])],
    chat: {
      messages: [...system, ...conversation],
      ...(tools?.length && { tools: tools.map(toolSchema) }),
      ...(choice === "none" && { tool_choice: choice }),
      max_tokens: max_output_tokens ?? maxTokens,
      ...(typeof temperature === "number" && { temperature }),
      ...(typeof top_p === "number" && { top_p }),
      ...(reasoning?.effort === "none" && {
        extra_body: { chat_template_kwargs: { enable_thinking: false } },
      }),
    },
    whole: (answered) => responseOf(answered, remember(answered), body, modelName),
    pieces: (answered) => {
      const items = remember(answered);
      return responseEvents(responseOf(answered, items, body, modelName), items);
    },
  };
}

function conversationOf(
  { input, previous_response_id: previous }: ResponsesBody,
  { responses: remembered }: ProxySession,
): ChatMessage[] {
  const items: InputItem[] = typeof input === "string" ? [{ role: "user", content: input }] : input;
  const given = messagesOf(items, remembered);
  if (previous === null || previous === undefined) return given;
  const earlier = remembered.conversation(previous);
  if (earlier !== undefined) return [...earlier, ...given];
  throw invalidRequest(
    `previous_response_id: there is no ${previous} in this session`,
    "previous_response_id",
  );
}

function responseOf(
  { completion, createdSeconds }: Answered,
  output: JsonObject[],
  body: ResponsesBody,
  modelName: string,
): JsonObject {
  const { prompt_tokens: input = 0, completion_tokens: sampled = 0 } = completion.usage ?? {};
  const isCut = completion.choices[0]?.finish_reason === "length";
  return {
    id: idLike("resp_", completion.id),
    object: "response",
    created_at: createdSeconds,
    completed_at: isCut ? null : createdSeconds,
    status: isCut ? "incomplete" : "completed",
    background: false,
    error: null,
    incomplete_details: isCut ? { reason: "max_output_tokens" } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model: body.model ?? modelName,
    output,
    parallel_tool_calls: true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: null, summary: null },
    store: body.store ?? true,
    temperature: body.temperature ?? 1,
    text: { format: { type: "text" } },
    tool_choice: typeof body.tool_choice === "string" ? body.tool_choice : "auto",
    tools: (body.tools ?? []).map((tool) => jsonObject.parse(tool)),
    top_p: body.top_p ?? 1,
    truncation: "disabled",
    usage: {
      input_tokens: input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: sampled,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input + sampled,
    },
  };
}
