/** Jamba 1.5's format: one JSON list between `<tool_calls>` and `</tool_calls>`. */
import { tryPythonJsonParse } from "../src/contracts/python-json.ts";
import { defineParser, type FoundCall, type VllmReading } from "./shared/define-parser.ts";
import { jsonCall } from "./shared/json-calls.ts";
import { formatList, itemReader, itemSpans, readListsStrictly } from "./shared/json-lists.ts";

const tags = { start: "<tool_calls>", end: "</tool_calls>" };

export const jambaParser = defineParser({
  name: "jamba",
  models: "Jamba 1.5",
  stream: { markers: [tags.start], content: "trimmed" },
  readAsVllm,
  readStrictly: (input) => readListsStrictly(input, tags, itemReader({})),
  format: (completion) => formatList(completion, tags),
});

function readAsVllm(text: string): VllmReading {
  const start = text.indexOf(tags.start);
  if (start < 0) return { content: text, calls: [] };
  const bodyStart = start + tags.start.length;
  const end = text.indexOf(tags.end, bodyStart);
  const fail = (reason: string): VllmReading => ({
    content: text,
    calls: [],
    errors: [{ reason, raw: [start, end < 0 ? text.length : end + tags.end.length] }],
  });
  if (end < 0) return fail(`Expected ${tags.end} after the tool calls.`);
  const read = tryPythonJsonParse(text.slice(bodyStart, end));
  if (!read.ok) return fail(`The tool calls are no valid JSON: ${read.message}.`);
  const content = text.slice(0, start);
  const kept = content === "" || content === " " ? null : content;
  // Python iterates over an empty object as over an empty list.
  if (read.value instanceof Map && read.value.size === 0) return { content: kept, calls: [] };
  if (!Array.isArray(read.value)) return fail("Expected a JSON list of tool calls.");
  const spans = itemSpans(text, bodyStart);
  const calls: FoundCall[] = [];
  for (const [index, value] of read.value.entries()) {
    const call = jsonCall(value);
    if (!call.ok) return fail(call.reason);
    calls.push({ name: call.name, arguments: call.arguments, raw: spans[index] ?? [start, end] });
  }
  return { content: kept, calls };
}
