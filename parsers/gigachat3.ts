/** GigaChat 3's format: one JSON call that runs to the end of the text, in which strings may hold raw newlines. */
import { rawDecode, skipWhitespace, tryPythonJsonParse } from "../src/contracts/python-json.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { callValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { dumpJson, jsonCall } from "./shared/json-calls.ts";
import { pythonStripEnd } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { isInside } from "./shared/thinking-spans.ts";

const token = "<|function_call|>";
const role = "function call<|role_sep|>\n";
const separator = "<|message_sep|>";
const endOfText = "</s>";
const starts = [token, role];
const loose = { allowControlCharacters: true };

export const gigachat3Parser = defineParser({
  name: "gigachat3",
  models: "GigaChat 3",
  limits: ["More than one call: vLLM reads one."],
  stream: { markers: [token, separator, role, endOfText], content: "trimmed" },
  readAsVllm,
  readStrictly,
  format: ({ content, toolCalls }) =>
    (content ?? "") +
    toolCalls
      .map((call) => token + dumpJsonWithout(callValue(call), [token, role, separator, endOfText]))
      .join(""),
});

function readAsVllm(whole: string): VllmReading {
  const text = pythonStripEnd(whole).endsWith(endOfText)
    ? whole.slice(0, whole.lastIndexOf(endOfText))
    : whole;
  const start = new TagScanner(text, starts).next(0);
  const content = new TagScanner(text, [separator, token]).next(0);
  const before = (content === undefined ? text : text.slice(0, content.start)) || null;
  if (start === undefined) return { content: before, calls: [] };
  const raw: Span = [start.start, text.length];
  const read = tryPythonJsonParse(text.slice(start.end), loose);
  if (!read.ok) {
    const reason = `The tool call is no valid JSON: ${read.message}.`;
    return { content: text, calls: [], errors: raw[0] < raw[1] ? [{ reason, raw }] : [] };
  }
  const call = read.value instanceof Map ? read.value : new Map();
  const name = call.get("name");
  const found = call.get("arguments");
  if (name === undefined || !(found instanceof Map)) {
    const checked = jsonCall(read.value, { objectsOnly: true });
    const reason = checked.ok ? "The tool call's arguments must be a JSON object." : checked.reason;
    return { content: before, calls: [], errors: [{ reason, raw }] };
  }
  if (typeof name !== "string") {
    return { content: text, calls: [], errors: [{ reason: "The tool call's name must be a string.", raw }] };
  }
  return { content: before, calls: [{ name, arguments: dumpJson(found), raw }] };
}

function readStrictly({ text, thinking }: StrictInput): StrictReading {
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  const markup: Span[] = [];
  const scanner = new TagScanner(text, [...starts, separator, endOfText]);
  let position = 0;
  for (let tag = scanner.next(0); tag !== undefined; tag = scanner.next(position)) {
    position = tag.end;
    if (isInside(thinking, tag.start)) continue;
    if (!starts.includes(tag.tag)) {
      markup.push([tag.start, tag.end]);
      continue;
    }
    const decoded = rawDecode(text, skipWhitespace(text, tag.end), loose);
    if (!decoded.ok) {
      const stop = scanner.next(tag.end)?.start ?? text.length;
      errors.push({ reason: `The tool call is no valid JSON: ${decoded.message}.`, raw: [tag.start, stop] });
      position = stop;
      continue;
    }
    position = decoded.end;
    const raw: Span = [tag.start, decoded.end];
    const call = jsonCall(decoded.value, { objectsOnly: true });
    if (call.ok) calls.push({ name: call.name, arguments: call.arguments, raw });
    else errors.push({ reason: call.reason, raw });
  }
  return { calls, errors, markup };
}
