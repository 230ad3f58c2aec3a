/** IBM's Granite models: 3.x writes one JSON list, 4.0 Hermes' tags, 20b-functioncalling one object after each tag. */
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
import { afterContent, callValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { jsonCall, readJsonCall } from "./shared/json-calls.ts";
import {
  formatList,
  itemReader,
  itemSpans,
  readListStrictly,
  readListsStrictly,
} from "./shared/json-lists.ts";
import { isPythonSpace, pythonStrip, pythonStripStart } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { formatTagged, readTaggedStrictly } from "./shared/tagged-json.ts";
import { isInside } from "./shared/thinking-spans.ts";

const token = "<|tool_call|>";
const word = "<tool_call>";

export const graniteParser = defineParser({
  name: "granite",
  models: "Granite 3.0, 3.1",
  stream: { markers: [token, word, "["], content: "trimmed", strictOnly: true },
  limits: ["Text beside calls: vLLM then reads none."],
  readAsVllm: readGraniteAsVllm,
  readStrictly: (input) => {
    const start = [token, word].find((tag) => input.text.includes(tag));
    if (start !== undefined) return readListsStrictly(input, { start }, itemReader({}));
    return readGraniteBare(input);
  },
  format: ({ content, toolCalls }) =>
    toolCalls.length === 0 ? (content ?? "") : formatList({ content, toolCalls }, { start: token }),
});

function readGraniteAsVllm(text: string): VllmReading {
  const list = withoutPrefix(withoutPrefix(pythonStrip(text), token), word);
  const stripped = pythonStripStart(list);
  if (!stripped.startsWith("[")) return { content: text, calls: [] };
  const read = tryPythonJsonParse(stripped);
  const end = pythonEnd(text);
  const fail = (reason: string): VllmReading => ({
    content: text,
    calls: [],
    errors: [{ reason, raw: [0, text.length] }],
  });
  if (!read.ok) return fail(`The tool calls are no valid JSON: ${read.message}.`);
  if (!Array.isArray(read.value)) return fail("Expected a JSON list of tool calls.");
  const spans = itemSpans(text, end - stripped.length);
  const calls: FoundCall[] = [];
  for (const [index, value] of read.value.entries()) {
    const call = jsonCall(value);
    if (!call.ok) return fail(call.reason);
    calls.push({ name: call.name, arguments: call.arguments, raw: spans[index] ?? [0, text.length] });
  }
  return { content: null, calls };
}

function withoutPrefix(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

function pythonEnd(text: string): number {
  let end = text.length;
  while (end > 0 && isPythonSpace(text.charCodeAt(end - 1))) end--;
  return end;
}

/** Granite 3 may leave the prefix out: then the whole text must be the list. */
function readGraniteBare(input: StrictInput): StrictReading {
  const nothing: StrictReading = { calls: [], errors: [] };
  const start = input.text.length - pythonStripStart(input.text).length;
  if (!/^\[\s*\{/.test(input.text.slice(start, start + 1000))) return nothing;
  return isInside(input.thinking, start) ? nothing : readListStrictly(input.text, start, itemReader({}));
}

const granite4Tags = { start: "<tool_call>", end: "</tool_call>" };

export const granite4Parser = defineParser({
  name: "granite4",
  models: "Granite 4.0",
  stream: { markers: [granite4Tags.start, granite4Tags.end], content: "verbatim" },
  readAsVllm: readGranite4AsVllm,
  readStrictly: (input) => readTaggedStrictly(input, granite4Tags),
  format: (completion) => formatTagged(completion, granite4Tags),
});

/** Start and end tags must take turns; all text outside of them is content. */
function readGranite4AsVllm(text: string): VllmReading {
  const scanner = new TagScanner(text, [granite4Tags.start, granite4Tags.end]);
  const calls: FoundCall[] = [];
  let content = "";
  let position = 0;
  let open: number | undefined;
  const fail = (reason: string, raw: Span): VllmReading => ({
    content: text,
    calls: [],
    errors: [{ reason, raw }],
  });
  for (let tag = scanner.next(0); tag !== undefined; tag = scanner.next(position)) {
    if (tag.tag === granite4Tags.start) {
      if (open !== undefined)
        return fail(`Expected ${granite4Tags.end} before the next tool call.`, [open, tag.start]);
      content += text.slice(position, tag.start);
      open = tag.start;
    } else {
      if (open === undefined) return fail(`${granite4Tags.end} ends no tool call.`, [tag.start, tag.end]);
      const raw: Span = [open, tag.end];
      const call = readJsonCall(text.slice(position, tag.start), { keepStrings: true });
      if (!call.ok) return fail(call.reason, raw);
      if (call.arguments === "null") return fail(`The arguments of "${call.name}" are null.`, raw);
      calls.push({ name: call.name, arguments: call.arguments, raw });
      open = undefined;
    }
    position = tag.end;
  }
  if (open !== undefined)
    return fail(`Expected ${granite4Tags.end} after the tool call.`, [open, text.length]);
  content += text.slice(position);
  return { content: content || null, calls };
}

const functionCall = "<function_call>";

export const granite20bFunctionCallingParser = defineParser({
  name: "granite-20b-fc",
  models: "Granite 20B function calling",
  stream: { markers: [functionCall], content: "verbatim" },
  readAsVllm: readGranite20bAsVllm,
  readStrictly: readGranite20bStrictly,
  format: ({ content, toolCalls }) => {
    const calls = toolCalls.map(
      (call) => `${functionCall} ${dumpJsonWithout(callValue(call), [functionCall])}`,
    );
    return afterContent(content, calls.join("\n"));
  },
});

function readGranite20bAsVllm(text: string): VllmReading {
  const first = text.indexOf(functionCall);
  if (first < 0) return { content: text, calls: [] };
  const calls: FoundCall[] = [];
  for (let start = first; start >= 0; ) {
    const next = text.indexOf(functionCall, start + functionCall.length);
    const segment = text.slice(0, next < 0 ? text.length : next);
    let json = start + functionCall.length;
    while (json < segment.length && isPythonSpace(segment.charCodeAt(json))) json++;
    const decoded = rawDecode(segment, json);
    const call = decoded.ok
      ? jsonCall(decoded.value)
      : ({ ok: false, reason: `The tool call is no valid JSON: ${decoded.message}.` } as const);
    if (!decoded.ok || !call.ok) {
      const reason = call.ok ? "" : call.reason;
      return { content: text, calls: [], errors: [{ reason, raw: [start, segment.length] }] };
    }
    calls.push({ name: call.name, arguments: call.arguments, raw: [start, decoded.end] });
    start = next;
  }
  return { content: text.slice(0, first) || null, calls };
}

function readGranite20bStrictly({ text, thinking }: StrictInput): StrictReading {
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  const scanner = new TagScanner(text, [functionCall]);
  for (let tag = scanner.next(0); tag !== undefined; ) {
    if (isInside(thinking, tag.start)) {
      tag = scanner.next(tag.end);
      continue;
    }
    const decoded = rawDecode(text, skipWhitespace(text, tag.end));
    const next = scanner.next(decoded.ok ? decoded.end : tag.end);
    if (decoded.ok) {
      const raw: Span = [tag.start, decoded.end];
      const call = jsonCall(decoded.value, { objectsOnly: true });
      if (call.ok) calls.push({ name: call.name, arguments: call.arguments, raw });
      else errors.push({ reason: call.reason, raw });
    } else {
      const reason = `The tool call is no valid JSON: ${decoded.message}.`;
      errors.push({ reason, raw: [tag.start, next?.start ?? text.length] });
    }
    tag = next;
  }
  return { calls, errors };
}
