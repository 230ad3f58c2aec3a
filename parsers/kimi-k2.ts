/**
 * Kimi K2's calls: the header is the call's id, `functions.get_weather:0`, the arguments are handed on unread. In vLLM
 * all text from the first section on is suppressed, and a header without `:N` costs its call.
 */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { tryPythonJsonParse } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { afterContent, argumentsValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { dumpJson } from "./shared/json-calls.ts";
import { isBlank, pythonStrip } from "./shared/python-text.ts";
import { coerceArgumentsText } from "./shared/schema-coercion.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { isInside } from "./shared/thinking-spans.ts";

const sectionStart = "<|tool_calls_section_begin|>";
const sectionEnd = "<|tool_calls_section_end|>";
const callStart = "<|tool_call_begin|>";
const callEnd = "<|tool_call_end|>";
const argumentStart = "<|tool_call_argument_begin|>";
const tags = [sectionStart, sectionEnd, callStart, callEnd, argumentStart] as const;
type Tag = (typeof tags)[number];

export const kimiK2Parser = defineParser({
  name: "kimi_k2",
  models: "Kimi K2, K2.5",
  limits: ['Tool names with ":" or one of the format\'s tags in them.'],
  stream: { markers: [sectionStart, sectionEnd, callStart, "</think>"], content: "trimmed" },
  readAsVllm,
  readStrictly,
  format: formatKimiK2,
});

function readAsVllm(text: string, tools: readonly ToolSchema[]): VllmReading {
  const scanner = new TagScanner<Tag>(text, tags);
  const section = scanner.next(0, [sectionStart]);
  // The end of thinking that the template had begun is swallowed, its begin would be text.
  const before = text.slice(0, section?.start).replaceAll("</think>", "");
  if (section === undefined) return { content: before || null, calls: [] };
  const calls: FoundCall[] = [];
  let position = section.end;
  let hasCall = false;
  for (;;) {
    const start = scanner.next(position, [callStart]);
    if (start === undefined) break;
    hasCall = true;
    const named = scanner.next(start.end, [argumentStart]);
    const closed = named && scanner.next(named.end, [callEnd, sectionEnd]);
    position = closed?.end ?? text.length;
    const header = pythonStrip(text.slice(start.end, named?.start));
    const body = named === undefined ? "" : text.slice(named.end, closed?.start);
    const call = nameCall(header, body);
    if (call === undefined) continue;
    const json = coerceArgumentsText(pythonStrip(body) || "{}", tools, call.name);
    calls.push({ ...call, arguments: json, raw: [start.start, position] });
  }
  return { content: hasCall && isBlank(before) ? null : before || null, calls };
}

/** Without arguments vLLM takes any header for a name; with them the header must be an id, or the JSON name one. */
function nameCall(header: string, body: string): { id?: string; name: string } | undefined {
  const id = idOf(header);
  if (id !== undefined) return id;
  if (body === "") return header === "" ? undefined : { name: header };
  const [, name = ""] = /"name"\s*:\s*"([^"]*)"/.exec(body) ?? [];
  return idOf(name) ?? (isBlank(name) ? undefined : { name: pythonStrip(name) });
}

function idOf(header: string): { id: string; name: string } | undefined {
  const [id] = /^[^\n]+:\p{Nd}+/u.exec(header) ?? [];
  if (id === undefined) return undefined;
  const [before = ""] = id.split(":");
  const name = pythonStrip(before.startsWith("functions.") ? before.slice("functions.".length) : before);
  return name === "" ? undefined : { id: pythonStrip(id), name };
}

/** Sections need not be marked; a call needs a name and a JSON object. */
function readStrictly({ text, thinking }: StrictInput): StrictReading {
  const scanner = new TagScanner<Tag>(text, tags);
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  const sections: Span[] = [];
  let position = 0;
  for (;;) {
    const tag = scanner.next(position, [sectionStart, sectionEnd, callStart]);
    if (tag === undefined) break;
    position = tag.end;
    if (isInside(thinking, tag.start)) continue;
    if (tag.tag !== callStart) {
      sections.push([tag.start, tag.end]);
      continue;
    }
    const call = readCall(text, tag, scanner);
    if ("reason" in call) errors.push(call);
    else calls.push(call);
    position = call.raw[1];
  }
  return { calls, errors, markup: calls.length > 0 ? sections : [] };
}

function readCall(
  text: string,
  start: { start: number; end: number },
  scanner: TagScanner<Tag>,
): FoundCall | FoundError {
  const named = scanner.next(start.end);
  const closed = named?.tag === argumentStart ? scanner.next(named.end) : named;
  const raw: Span = [start.start, closed?.tag === callEnd ? closed.end : (closed?.start ?? text.length)];
  const header = pythonStrip(text.slice(start.end, named?.start));
  if (named?.tag !== argumentStart) {
    return { reason: `Expected ${argumentStart} after the name of the tool.`, raw };
  }
  const { name, ...id } = idOf(header) ?? { name: header.replace(/^functions\./, "") };
  if (name === "") return { reason: "A call needs a header such as functions.get_weather:0.", raw };
  const body = pythonStrip(text.slice(named.end, closed?.start));
  const read = tryPythonJsonParse(body === "" ? "{}" : body);
  if (!read.ok) return { reason: `The arguments of "${name}" are no valid JSON: ${read.message}.`, raw };
  if (!(read.value instanceof Map)) {
    return { reason: `The arguments of "${name}" must be a JSON object.`, raw };
  }
  return { ...id, name, arguments: dumpJson(read.value), raw };
}

function formatKimiK2({ content, toolCalls }: FormattableCompletion): string {
  if (toolCalls.length === 0) return content ?? "";
  const calls = toolCalls.map((call, index) => {
    const id =
      call.id !== undefined && idOf(call.id)?.name === call.name
        ? call.id
        : `functions.${call.name}:${index}`;
    const json = dumpJsonWithout(argumentsValue(call.arguments), tags);
    return `${callStart}${id}${argumentStart}${json}${callEnd}`;
  });
  return afterContent(content, `${sectionStart}${calls.join("")}${sectionEnd}`);
}
