/** Apertus' format: a list of objects with one key, the function's name, between `<|tools_prefix|>` and its suffix. */
import {
  type PythonValue,
  rawDecode,
  skipWhitespace,
  tryPythonJsonParse,
} from "../src/contracts/python-json.ts";
import { defineParser, type FoundCall, type VllmReading } from "./shared/define-parser.ts";
import { afterContent, argumentsValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { dumpJson, type JsonCall, kindOf } from "./shared/json-calls.ts";
import { readListsStrictly, walkJsonList } from "./shared/json-lists.ts";
import { repairJson } from "./shared/partial-json.ts";
import { pythonStrip, pythonStripStart } from "./shared/python-text.ts";

const tags = { start: "<|tools_prefix|>", end: "<|tools_suffix|>" };

export const apertusParser = defineParser({
  name: "apertus",
  aliases: ["apertus2509"],
  models: "Apertus",
  stream: { markers: [tags.start], content: "trimmed" },
  readAsVllm,
  readStrictly: (input) => readListsStrictly(input, tags, readItem),
  format: ({ content, toolCalls }) => {
    if (toolCalls.length === 0) return content ?? "";
    const list = toolCalls.map((call) => new Map([[call.name, argumentsValue(call.arguments)]]));
    return afterContent(content, tags.start + dumpJsonWithout(list, [tags.start, tags.end]) + tags.end);
  },
});

function readItem(value: PythonValue): JsonCall {
  const [first, ...more] = value instanceof Map ? value : [];
  if (first === undefined || more.length > 0) {
    return {
      ok: false,
      reason: `Expected an object with one key, the function's name; got ${kindOf(value)}.`,
    };
  }
  const [name, found] = first;
  if (found instanceof Map) return { ok: true, name, arguments: dumpJson(found) };
  return { ok: false, reason: `The arguments of "${name}" must be a JSON object, got ${kindOf(found)}.` };
}

function readAsVllm(text: string): VllmReading {
  const start = text.indexOf(tags.start);
  if (start < 0) return { content: text, calls: [] };
  const bodyStart = start + tags.start.length;
  const suffix = text.indexOf(tags.end, bodyStart);
  const bodyEnd = suffix < 0 ? text.length : suffix;
  const body = text.slice(bodyStart, bodyEnd);
  const json = pythonStripStart(body);
  const decoded = rawDecode(json, 0);
  const value = decoded.ok ? decoded.value : repaired(body);
  if (value === undefined) {
    const reason = `The tool calls are no valid JSON: ${decoded.ok ? "" : decoded.message}.`;
    return { content: text, calls: [], errors: [{ reason, raw: [start, bodyEnd] }] };
  }
  const jsonStart = bodyEnd - json.length;
  const calls: FoundCall[] = [];
  const spans = spansOf(text.slice(0, bodyEnd), jsonStart);
  for (const [index, item] of (Array.isArray(value) ? value : [value]).entries()) {
    const [first] = item instanceof Map ? item : [];
    if (first === undefined) continue;
    const raw = spans[index] ?? [jsonStart, bodyEnd];
    calls.push({ name: first[0], arguments: dumpJson(first[1]), raw });
  }
  const trailing = decoded.ok ? json.slice(decoded.end) : "";
  const after = suffix < 0 ? "" : text.slice(suffix + tags.end.length);
  let content = pythonStrip(text.slice(0, start));
  for (const more of [trailing, after]) {
    const stripped = pythonStrip(more.replaceAll(tags.end, ""));
    if (stripped !== "") content = pythonStrip(`${content}\n${stripped}`);
  }
  return { content: content || null, calls };
}

/** What is left of JSON that the text's end cut off. */
function repaired(body: string): PythonValue | undefined {
  const text = repairJson(pythonStrip(body));
  const read = text === undefined ? undefined : tryPythonJsonParse(text);
  return read?.ok ? read.value : undefined;
}

/** Items of a list, the last perhaps cut off; of anything else, all of it. */
function spansOf(text: string, jsonStart: number): (readonly [number, number])[] {
  if (text.charAt(jsonStart) !== "[") return [];
  const { items, problem } = walkJsonList(text, jsonStart);
  const spans = items.map(({ span }) => span);
  const cut = problem === undefined ? text.length : skipWhitespace(text, problem.from);
  return cut < text.length ? [...spans, [cut, text.length] as const] : spans;
}
