/**
 * Mistral's two formats behind `[TOOL_CALLS]`: a JSON list (tokenizers before v11), and `name[ARGS]{…}` or `name{…}`
 * once for each call. vLLM tells them apart by the tokenizer, which a text doesn't have: a list is what begins with a
 * bracket.
 */
import { rawDecode, skipWhitespace, tryPythonJsonParse } from "../src/contracts/python-json.ts";
import { makeMistralCallId } from "./shared/call-ids.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { argumentsValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { jsonCall } from "./shared/json-calls.ts";
import { itemReader, itemSpans, readListStrictly } from "./shared/json-lists.ts";
import { isBlank, isPythonSpace, pythonStrip, pythonStripStart } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { isInside } from "./shared/thinking-spans.ts";

const marker = "[TOOL_CALLS]";
const separator = "[ARGS]";
const listShape = { missingArguments: new Map() };

export const mistralParser = defineParser({
  name: "mistral",
  models: "Mistral, Mixtral, Magistral, Ministral, Devstral",
  stream: { markers: [marker], content: "trimmed", strictOnly: true },
  makeId: makeMistralCallId,
  readAsVllm,
  readStrictly,
  format: ({ content, toolCalls }) => {
    const calls = toolCalls.map((call) => {
      const json = dumpJsonWithout(argumentsValue(call.arguments), [marker, separator]);
      return `${marker}${call.name}${separator}${json}`;
    });
    return (content ?? "") + calls.join("");
  },
});

function readAsVllm(text: string): VllmReading {
  const first = text.indexOf(marker);
  if (first < 0) return { content: text, calls: [] };
  const rest = pythonStripStart(text.slice(first + marker.length));
  return rest.startsWith("[") ? readList(text, first) : readNamed(text, first);
}

function readList(text: string, first: number): VllmReading {
  const bodyStart = first + marker.length;
  const raw: Span = [first, text.length];
  const fail = (content: string, reason: string): VllmReading => ({
    content,
    calls: [],
    errors: [{ reason, raw }],
  });
  if (text.includes(marker, bodyStart))
    return fail(text, `Only one ${marker} may stand before a list of calls.`);
  const body = pythonStrip(text.slice(bodyStart));
  const content = text.slice(0, first);
  let read = rawDecode(body, 0);
  let start = text.indexOf("[", bodyStart);
  if (!read.ok) {
    const open = body.search(/\[\{/);
    const close = open < 0 ? -1 : body.lastIndexOf("}]");
    const retried = close > open ? tryPythonJsonParse(body.slice(open, close + 2)) : read;
    if (!retried.ok) return fail(body, `The tool calls are no valid JSON: ${read.message}.`);
    read = { ok: true, value: retried.value, end: close + 2 };
    start += open;
  }
  if (!Array.isArray(read.value)) return fail(text, "Expected a JSON list of tool calls.");
  const spans = itemSpans(text, start);
  const calls: FoundCall[] = [];
  for (const [index, value] of read.value.entries()) {
    const call = jsonCall(value, listShape);
    if (!call.ok) return fail(text, call.reason);
    calls.push({ name: call.name, arguments: call.arguments, raw: spans[index] ?? raw });
  }
  return { content: isBlank(content) ? null : content, calls };
}

type NamedCall = { name: string; arguments: Span; raw: Span };

/** From marker to marker; within a name another marker is a part of it. */
function namedCalls(text: string, first: number): NamedCall[] {
  const scanner = new TagScanner(text, [marker, separator, "{"]);
  const calls: NamedCall[] = [];
  for (let start: number | undefined = first; start !== undefined; ) {
    const nameStart: number = start + marker.length;
    const split = scanner.next(nameStart, [separator, "{"]);
    if (split === undefined) {
      calls.push({
        name: pythonStrip(text.slice(nameStart)),
        arguments: [text.length, text.length],
        raw: [start, text.length],
      });
      break;
    }
    const argumentsStart = split.tag === separator ? split.end : split.start;
    const next = scanner.next(argumentsStart, [marker]);
    const end = next?.start ?? text.length;
    calls.push({
      name: pythonStrip(text.slice(nameStart, split.start)),
      arguments: [argumentsStart, end],
      raw: [start, end],
    });
    start = next?.start;
  }
  return calls;
}

function readNamed(text: string, first: number): VllmReading {
  const calls = namedCalls(text, first).map(({ name, arguments: span, raw }): FoundCall => {
    const written = pythonStrip(text.slice(...span));
    const decoded = rawDecode(written, 0);
    return { name, arguments: (decoded.ok ? written.slice(0, decoded.end) : written) || "{}", raw };
  });
  return { content: pythonStrip(text.slice(0, first)) || null, calls };
}

/** In strict mode the JSON says where a call ends, so that a marker inside a string does no harm. */
function readStrictly({ text, thinking }: StrictInput): StrictReading {
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  const markup: Span[] = [];
  const scanner = new TagScanner(text, [marker, separator, "{"]);
  let position = 0;
  for (let tag = scanner.next(0, [marker]); tag !== undefined; tag = scanner.next(position, [marker])) {
    position = tag.end;
    if (isInside(thinking, tag.start)) continue;
    const open = skipWhitespace(text, tag.end);
    if (text.charAt(open) === "[" && !text.startsWith(marker, open) && !text.startsWith(separator, open)) {
      const stop = text.indexOf(marker, open);
      const list = readListStrictly(stop < 0 ? text : text.slice(0, stop), open, itemReader(listShape));
      calls.push(...list.calls);
      errors.push(...list.errors);
      markup.push([tag.start, open], ...(list.markup ?? []));
      position = Math.max(open, ...(list.markup ?? []).map(([, end]) => end));
      continue;
    }
    const next = scanner.next(tag.end, [marker])?.start ?? text.length;
    const split = scanner.next(tag.end, [separator, "{"]);
    const name =
      split === undefined || split.start > next ? "" : pythonStrip(text.slice(tag.end, split.start));
    if (split === undefined || name === "") {
      errors.push({
        reason: `Expected a function's name and its arguments after ${marker}.`,
        raw: [tag.start, next],
      });
      position = next;
      continue;
    }
    let json = split.tag === separator ? split.end : split.start;
    while (isPythonSpace(text.charCodeAt(json))) json++;
    const decoded = rawDecode(text, json);
    const isEmpty = json >= text.length || json === next;
    if (isEmpty || (decoded.ok && decoded.value instanceof Map)) {
      const end = decoded.ok && !isEmpty ? decoded.end : json;
      calls.push({ name, arguments: isEmpty ? "{}" : text.slice(json, end), raw: [tag.start, end] });
      position = end;
      continue;
    }
    const fault = decoded.ok ? "they are no JSON object" : decoded.message;
    errors.push({ reason: `The arguments of "${name}" cannot be read: ${fault}.`, raw: [tag.start, next] });
    position = next;
  }
  return { calls, errors, markup };
}
