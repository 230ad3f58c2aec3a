/**
 * Trajectories as hermes-agent saves them: turns of system, human, gpt and tool, with the tools in a system turn
 * of the format's own, thoughts in <think>, calls in <tool_call> and results in <tool_response>, each as JSON the
 * way Python writes it. Its readers find `conversations`, `timestamp`, `model` and `completed`.
 *
 * What these turns can't hold stands in further keys: the system prompt that was really given, the tools in
 * order, each call with its id and the model's own text of its arguments, reward, seeds, sampling, token ids.
 */
import type { JsonObject, JsonValue } from "../../contracts/chat.ts";
import {
  type PythonValue,
  pythonJsonDumps,
  toPythonValue,
  tryPythonJsonParse,
} from "../../contracts/python-json.ts";
import {
  argumentsOf,
  reasoningOf,
  type Sample,
  type SampledGroup,
  sampleFacts,
  textOf,
  toolsOf,
} from "../group-samples.ts";
import type { SavedMessage, SavedTool } from "../saved-group.ts";
import { asJson, type ExportFormat, factColumns, requireMessages } from "./export-format.ts";

export const sharegptFormat: ExportFormat = {
  name: "sharegpt",
  description: "trajectories as hermes-agent saves them (system, human, gpt, tool)",
  columns: {
    conversations: { list: { struct: { from: "string", value: "string" } } },
    timestamp: "string",
    model: "string",
    completed: "boolean",
    system_prompt: "string",
    tools: "json",
    tool_calls: {
      list: { struct: { turn: "int32", id: "string", name: "string", arguments: "string" } },
    },
    sequences: {
      list: { struct: { tokens: { list: "int32" }, masks: { list: "int32" }, logprobs: { list: "double" } } },
    },
    ...factColumns,
  },
  lines: (sampled, { now, model }) =>
    sampled.samples.map((sample) => {
      const messages = requireMessages(sample, sampled);
      const tools = toolsOf(sampled.group) ?? [];
      const { provenance } = sampled.group;
      return {
        conversations: [{ from: "system", value: systemTurn(tools) }, ...turnsOf(messages)],
        timestamp: provenance?.finished_at ?? now,
        model: provenance?.model ?? model,
        completed: isCompleted(sample, messages),
        system_prompt: systemPrompt(messages),
        tools: asJson(tools),
        tool_calls: callsOf(messages),
        ...sequencesOf(sample, sampled),
        ...sampleFacts(sampled, sample),
      };
    }),
};

/** The format's own preamble, word for word: models were trained on it. */
function systemTurn(tools: readonly SavedTool[]): string {
  const listed = tools.map(({ function: { name, description, parameters } }) => ({
    name,
    description,
    parameters,
    required: null,
  }));
  return [
    "You are a function calling AI model. You are provided with function signatures within <tools> </tools> XML tags. You may call one or more functions to assist with the user query. If available tools are not relevant in assisting with user query, just respond in natural conversational language. Don't make assumptions about what values to plug into functions. After calling & executing the functions, you will be provided with function results within <tool_response> </tool_response> XML tags. Here are the available tools:",
    "<tools>",
    pythonJsonDumps(toPythonValue(listed)),
    "</tools>",
    "For each function call return a JSON object, with the following pydantic model json schema for each:",
    "{'title': 'FunctionCall', 'type': 'object', 'properties': {'name': {'title': 'Name', 'type': 'string'}, 'arguments': {'title': 'Arguments', 'type': 'object'}}, 'required': ['name', 'arguments']}",
    "Each function call should be enclosed within <tool_call> </tool_call> XML tags.",
    "Example:",
    "<tool_call>",
    "{'name': <function-name>,'arguments': <args-dict>}",
    "</tool_call>",
  ].join("\n");
}

type Turn = { from: string; value: string };

function turnsOf(messages: readonly SavedMessage[]): Turn[] {
  const turns: Turn[] = [];
  let calls: NonNullable<SavedMessage["tool_calls"]> = [];
  let results: string[] = [];
  const endResults = () => {
    if (results.length > 0) turns.push({ from: "tool", value: results.join("\n") });
    results = [];
  };
  for (const [index, message] of messages.entries()) {
    if (message.role === "tool") {
      results.push(toolResponse(message, calls, results.length));
      continue;
    }
    endResults();
    if (message.role === "assistant") {
      calls = message.tool_calls ?? [];
      turns.push({ from: "gpt", value: modelTurn(message) });
    } else if (message.role === "user") turns.push({ from: "human", value: textOf(message) });
    // The first one stands under `system_prompt`; the format has its own.
    else if (index > 0) turns.push({ from: "system", value: textOf(message) });
  }
  endResults();
  return turns;
}

function modelTurn(message: SavedMessage): string {
  const reasoning = reasoningOf(message);
  const calls = message.tool_calls ?? [];
  const text = textOf(message)
    .replaceAll("<REASONING_SCRATCHPAD>", "<think>")
    .replaceAll("</REASONING_SCRATCHPAD>", "</think>");
  const thought = pythonStrip(reasoning) === "" ? "" : `<think>\n${reasoning}\n</think>\n`;
  const said = calls.length === 0 ? text : pythonStrip(text) === "" ? "" : `${text}\n`;
  const body = `${thought}${said}${calls.map(toolCall).join("")}`;
  const whole = body.includes("<think>") ? body : `<think>\n</think>\n${body}`;
  return calls.length === 0 ? pythonStrip(whole) : pythonStripEnd(whole);
}

function toolCall(call: NonNullable<SavedMessage["tool_calls"]>[number]): string {
  const parsed = tryPythonJsonParse(argumentsOf(call));
  const json = new Map<string, PythonValue>([
    ["name", call.function.name],
    ["arguments", parsed.ok ? parsed.value : new Map()],
  ]);
  return `<tool_call>\n${pythonJsonDumps(json)}\n</tool_call>\n`;
}

function toolResponse(
  message: SavedMessage,
  calls: NonNullable<SavedMessage["tool_calls"]>,
  place: number,
): string {
  const text = textOf(message);
  const id = message.tool_call_id ?? "";
  const call = calls.find((each) => id !== "" && each.id === id) ?? calls[place];
  const looksLikeJson = /^\s*[{[]/.test(text);
  const parsed = looksLikeJson ? tryPythonJsonParse(text) : undefined;
  const json = new Map<string, PythonValue>([
    ["tool_call_id", id],
    ["name", call?.function.name ?? "unknown"],
    ["content", parsed?.ok ? parsed.value : text],
  ]);
  return `<tool_response>\n${pythonJsonDumps(json)}\n</tool_response>`;
}

/** The turn counts the conversation's gpt turns from 0. */
function callsOf(messages: readonly SavedMessage[]): JsonValue[] {
  return messages
    .filter(({ role }) => role === "assistant")
    .flatMap(({ tool_calls: calls }, turn) =>
      (calls ?? []).map((call) => ({
        turn,
        id: call.id ?? "",
        name: call.function.name,
        arguments: argumentsOf(call),
      })),
    );
}

function systemPrompt([first]: readonly SavedMessage[]): string | null {
  return first?.role === "system" ? textOf(first) : null;
}

function isCompleted({ rollout }: Sample, messages: readonly SavedMessage[]): boolean {
  if (rollout !== null) return rollout.stop === "finished";
  const last = messages.at(-1);
  return last?.role === "assistant" && (last.tool_calls?.length ?? 0) === 0;
}

/** Placeholder tokens are left out: they are nobody's. */
function sequencesOf({ sequences }: Sample, { group }: SampledGroup): JsonObject {
  if (group.group_overrides?.placeholder_tokens === true) return {};
  return {
    sequences: sequences.map((index) => ({
      tokens: group.tokens[index] ?? [],
      masks: group.masks[index] ?? [],
      ...(group.inference_logprobs !== null && { logprobs: group.inference_logprobs[index] ?? [] }),
    })),
  };
}

/** What Python's `str.isspace` says of one UTF-16 unit; JavaScript's differs by the separators and the BOM. */
function isPythonSpace(code: number): boolean {
  if (code >= 0x1c && code <= 0x1f) return true;
  if (code === 0x85) return true;
  return code !== 0xfeff && String.fromCharCode(code).trim() === "";
}

function pythonStripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isPythonSpace(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

function pythonStrip(text: string): string {
  let start = 0;
  while (start < text.length && isPythonSpace(text.charCodeAt(start))) start += 1;
  return pythonStripEnd(text.slice(start));
}
