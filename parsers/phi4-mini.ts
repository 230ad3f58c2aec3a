/** Phi 4 mini's format: `functools[{…}, …]`. vLLM reads up to the first closing bracket, which arrays have too. */
import { tryPythonJsonParse } from "../src/contracts/python-json.ts";
import { defineParser, type FoundCall, type Span, type VllmReading } from "./shared/define-parser.ts";
import { callValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { jsonCall } from "./shared/json-calls.ts";
import { itemReader, itemSpans, readListsStrictly } from "./shared/json-lists.ts";

const marker = "functools";
const shape = { argumentKeys: ["arguments", "parameters"] };

export const phi4MiniJsonParser = defineParser({
  name: "phi4_mini_json",
  models: "Phi 4 mini",
  limits: ["Text beside calls: vLLM loses it.", "Arrays in arguments: vLLM loses all calls."],
  stream: { markers: [marker], content: "trimmed", strictOnly: true },
  readAsVllm,
  readStrictly: (input) => {
    const reading = readListsStrictly(input, { start: marker }, itemReader(shape));
    // The word alone is text.
    return { ...reading, errors: reading.errors.filter(({ raw }) => !isWord(input.text, raw)) };
  },
  format: ({ content, toolCalls }) => {
    if (toolCalls.length === 0) return content ?? "";
    const calls = toolCalls.map((call) => withoutBrackets(dumpJsonWithout(callValue(call), [marker])));
    return `${content ?? ""}${marker}[${calls.join(", ")}]`;
  },
});

function isWord(text: string, [start]: Span): boolean {
  return text.startsWith(marker, start) && !/^functools\s*\[/.test(text.slice(start, start + 100));
}

/** Closing brackets inside strings become escapes; those of arrays must stay. */
function withoutBrackets(json: string): string {
  return json.replace(/"(?:[^"\\]|\\.)*"/g, (string) => string.replaceAll("]", "\\u005d"));
}

function readAsVllm(text: string): VllmReading {
  const start = text.indexOf(`${marker}[`);
  const open = start + marker.length;
  const end = start < 0 ? -1 : text.indexOf("]", open);
  if (end < 0) return { content: text, calls: [] };
  const raw: Span = [start, end + 1];
  const read = tryPythonJsonParse(text.slice(open, end + 1));
  if (!read.ok) {
    const reason = `The tool calls are no valid JSON: ${read.message}.`;
    return { content: null, calls: [], errors: [{ reason, raw }] };
  }
  const list = Array.isArray(read.value) ? read.value : [];
  const spans = itemSpans(text, open);
  const calls: FoundCall[] = [];
  for (const [index, value] of list.entries()) {
    const call = jsonCall(value, shape);
    if (!call.ok) return { content: text, calls: [], errors: [{ reason: call.reason, raw }] };
    calls.push({ name: call.name, arguments: call.arguments, raw: spans[index] ?? raw });
  }
  return { content: null, calls };
}
