/**
 * Cohere's Command models: thinking, actions and the response are channels between tags of their own. vLLM leaves the
 * reading to Cohere's library; this follows its wire format.
 */
import { type PythonValue, skipWhitespace } from "../src/contracts/python-json.ts";
import {
  type DefinedParser,
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictReading,
} from "./shared/define-parser.ts";
import { argumentsValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { jsonCall } from "./shared/json-calls.ts";
import { walkJsonList } from "./shared/json-lists.ts";
import { pythonStrip } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";

type Channel = "thinking" | "action" | "content";

const channels: Readonly<Record<string, { close: string; channel: Channel }>> = {
  "<|START_THINKING|>": { close: "<|END_THINKING|>", channel: "thinking" },
  "<|START_ACTION|>": { close: "<|END_ACTION|>", channel: "action" },
  "<|START_RESPONSE|>": { close: "<|END_RESPONSE|>", channel: "content" },
  "<|START_TEXT|>": { close: "<|END_TEXT|>", channel: "content" },
};
const opens = Object.keys(channels);
const closes = Object.values(channels).map(({ close }) => close);
const all = [...opens, ...closes];
const shape = { nameKey: "tool_name", argumentKeys: ["parameters"], missingArguments: new Map() };

export const cohereCommand3Parser = cohereCommand(
  "cohere_command3",
  "RESPONSE",
  "Command A, Command R 08-2024 and later",
);
export const cohereCommand4Parser = cohereCommand("cohere_command4", "TEXT", "Command A+");

function cohereCommand(name: string, response: "RESPONSE" | "TEXT", models: string): DefinedParser {
  return defineParser({
    name,
    models,
    readAsVllm: (text) => {
      const { calls, errors, content } = read(text);
      return { content: pythonStrip(content) || null, calls, errors };
    },
    readStrictly: ({ text }): StrictReading => {
      const { calls, errors, content, reasoning } = read(text, true);
      return {
        calls,
        errors,
        content: pythonStrip(content) || null,
        reasoning: pythonStrip(reasoning) || null,
      };
    },
    format: ({ content, toolCalls }) => {
      const written = content ? `<|START_${response}|>${content}<|END_${response}|>` : "";
      if (toolCalls.length === 0) return written;
      const list = toolCalls.map((call, index): PythonValue => {
        return new Map<string, PythonValue>([
          ["tool_call_id", call.id ?? String(index)],
          ["tool_name", call.name],
          ["parameters", argumentsValue(call.arguments)],
        ]);
      });
      return `${written}<|START_ACTION|>${dumpJsonWithout(list, all)}<|END_ACTION|>`;
    },
  });
}

type Reading = { calls: FoundCall[]; errors: FoundError[]; content: string; reasoning: string };

function read(text: string, strict = false): Reading {
  const reading: Reading = { calls: [], errors: [], content: "", reasoning: "" };
  const scanner = new TagScanner(text, all);
  let position = 0;
  for (;;) {
    const tag = scanner.next(position);
    reading.content += text.slice(position, tag?.start ?? text.length);
    if (tag === undefined) return reading;
    const opened = channels[tag.tag];
    position = tag.end;
    if (opened === undefined) continue;
    if (opened.channel === "action") {
      position = readActions(text, [tag.start, tag.end], scanner, strict, reading);
      continue;
    }
    const end = scanner.next(tag.end, [opened.close]);
    const inner = text.slice(tag.end, end?.start ?? text.length);
    if (opened.channel === "thinking") reading.reasoning += inner;
    else reading.content += inner;
    position = end?.end ?? text.length;
  }
}

function readActions(
  text: string,
  [start, bodyStart]: Span,
  scanner: TagScanner<string>,
  strict: boolean,
  reading: Reading,
): number {
  const open = skipWhitespace(text, bodyStart);
  const list = text.charAt(open) === "[" ? walkJsonList(text, open) : undefined;
  for (const { value, span } of list?.items ?? []) {
    const call = jsonCall(value, { ...shape, objectsOnly: strict });
    if (!call.ok) {
      reading.errors.push({ reason: call.reason, raw: span });
      if (strict) reading.content += text.slice(...span);
      continue;
    }
    const id = value instanceof Map ? value.get("tool_call_id") : undefined;
    reading.calls.push({
      name: call.name,
      arguments: call.arguments,
      raw: span,
      ...(typeof id === "string" && id !== "" ? { id } : {}),
    });
  }
  const end = scanner.next(list?.end ?? bodyStart);
  const stop = end?.start ?? text.length;
  if (list === undefined || list.problem !== undefined) {
    const reason = `The tool calls are no valid JSON: ${list?.problem?.message ?? "expected a list"}.`;
    const from = Math.min(list?.problem?.from ?? start, stop);
    reading.errors.push({ reason, raw: from < stop ? [from, stop] : [start, stop] });
    if (strict) reading.content += text.slice(from, stop);
  }
  return end === undefined ? text.length : end.tag === "<|END_ACTION|>" ? end.end : end.start;
}
