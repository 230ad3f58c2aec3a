/** An answer as the Responses API's output items, and as the events in which a stream tells of them. */
import type { ChatCompletion, JsonObject } from "../contracts/chat.ts";
import { idLike, type StreamEvent, textPieces } from "./model-api.ts";

/** Thinking, words, calls; each item has an id of its own that follows from the answer's. */
export function outputItems({ id, choices }: ChatCompletion): JsonObject[] {
  const [choice] = choices;
  if (choice === undefined) return [];
  const { content, reasoning_content: thought, tool_calls: calls = [] } = choice.message;
  const status = choice.finish_reason === "length" ? "incomplete" : "completed";
  const items: JsonObject[] = [];
  if (thought) {
    const said = [{ type: "reasoning_text", text: thought }];
    items.push({ id: idLike("rs_", id), type: "reasoning", summary: [], content: said, status });
  }
  if (content !== null && (content !== "" || calls.length === 0)) {
    const said = [{ type: "output_text", text: content, annotations: [], logprobs: [] }];
    items.push({ id: idLike("msg_", id), type: "message", role: "assistant", status, content: said });
  }
  for (const [index, { id: call_id, function: called }] of calls.entries()) {
    const item = { id: `${idLike("fc_", id)}_${index}`, type: "function_call", call_id, status };
    items.push({ ...item, name: called.name, arguments: called.arguments });
  }
  return items;
}

/** Every item is announced, told in pieces, and done before the next; `response` is the whole at the end. */
export function* responseEvents(response: JsonObject, items: readonly JsonObject[]): Generator<StreamEvent> {
  let sequence = 0;
  const event = (type: string, fields: JsonObject): StreamEvent => {
    const data = { type, sequence_number: sequence, ...fields };
    sequence += 1;
    return { event: type, data };
  };
  const begun = { ...response, status: "in_progress", output: [], usage: null, incomplete_details: null };
  yield event("response.created", { response: begun });
  yield event("response.in_progress", { response: begun });
  for (const [output_index, item] of items.entries()) {
    yield event("response.output_item.added", { output_index, item: emptied(item) });
    for (const { type, ...fields } of itemSteps(item)) {
      yield event(`response.${type}`, { item_id: item.id ?? null, output_index, ...fields });
    }
    yield event("response.output_item.done", { output_index, item });
  }
  yield event(response.status === "incomplete" ? "response.incomplete" : "response.completed", { response });
}

function emptied(item: JsonObject): JsonObject {
  const begun = { ...item, status: "in_progress" };
  return item.type === "function_call" ? { ...begun, arguments: "" } : { ...begun, content: [] };
}

type Step = { type: string } & JsonObject;

function* itemSteps(item: JsonObject): Generator<Step> {
  if (item.type === "function_call") {
    const text = String(item.arguments);
    for (const delta of textPieces(text)) yield { type: "function_call_arguments.delta", delta };
    yield { type: "function_call_arguments.done", name: item.name ?? "", arguments: text };
    return;
  }
  for (const [content_index, part] of (Array.isArray(item.content) ? item.content : []).entries()) {
    if (typeof part === "object" && part !== null && !Array.isArray(part))
      yield* partSteps(part, content_index);
  }
}

function* partSteps(part: JsonObject, content_index: number): Generator<Step> {
  const kind = String(part.type);
  const text = String(part.text);
  const extra: JsonObject = kind === "output_text" ? { logprobs: [] } : {};
  yield { type: "content_part.added", content_index, part: { ...part, text: "" } };
  for (const delta of textPieces(text)) yield { type: `${kind}.delta`, content_index, delta, ...extra };
  yield { type: `${kind}.done`, content_index, text, ...extra };
  yield { type: "content_part.done", content_index, part };
}
