/**
 * DeepSeek's older formats: V3 and R1 put the JSON of the arguments into a Markdown fence, V3.1 right behind the name.
 * vLLM's patterns want every call's name and arguments on one line each, hand on the arguments unread, and lose a call
 * that does not match.
 */
import { rawDecode, skipWhitespace } from "../src/contracts/python-json.ts";
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
import { pythonStrip } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { isInside } from "./shared/thinking-spans.ts";

const listStart = "<｜tool▁calls▁begin｜>";
const listEnd = "<｜tool▁calls▁end｜>";
const callStart = "<｜tool▁call▁begin｜>";
const callEnd = "<｜tool▁call▁end｜>";
const separator = "<｜tool▁sep｜>";
const tags = [listStart, listEnd, callStart, callEnd, separator] as const;
const fence = "```json";

const limits = ["Tool names with a line break or one of the format's tags in them."];

export const deepseekV3Parser = defineParser({
  name: "deepseek_v3",
  aliases: ["deepseekv3", "deepseek_r1"],
  models: "DeepSeek-V3-0324, DeepSeek-R1-0528",
  limits,
  stream: { markers: [listStart, listEnd, callStart], content: "verbatim" },
  readAsVllm: readV3AsVllm,
  readStrictly: (input) => readStrictly(input, true),
  format: (completion) =>
    formatCalls(completion, (name, json) => `function${separator}${name}\n${fence}\n${json}\n\`\`\``),
});

export const deepseekV31Parser = defineParser({
  name: "deepseek_v31",
  aliases: ["deepseekv31", "deepseek_v3_1"],
  models: "DeepSeek-V3.1",
  limits,
  stream: { markers: [listStart, listEnd, callStart], content: "verbatim" },
  readAsVllm: readV31AsVllm,
  readStrictly: (input) => readStrictly(input, false),
  format: (completion) => formatCalls(completion, (name, json) => `${name}${separator}${json}`),
});

function readV3AsVllm(text: string): VllmReading {
  const listed = text.indexOf(listStart);
  if (listed < 0) return { content: text, calls: [] };
  const calls: FoundCall[] = [];
  let position = 0;
  for (;;) {
    const start = text.indexOf(callStart, position);
    if (start < 0) break;
    const headEnd = lineEnd(text, start);
    position = headEnd;
    const head = text.slice(start + callStart.length, headEnd);
    const named = head.lastIndexOf(separator);
    const jsonStart = headEnd + fence.length + 2;
    if (named < 0 || !text.startsWith(`\n${fence}\n`, headEnd)) continue;
    const jsonEnd = lineEnd(text, jsonStart);
    const closing = `\n\`\`\`${callEnd}`;
    if (!text.startsWith(closing, jsonEnd)) continue;
    position = jsonEnd + closing.length;
    // vLLM's own type of a call knows nothing but functions, and a refused one ends in the whole text.
    if (head.slice(0, named) !== "function") {
      const reason = `The type of a call must be "function", got "${head.slice(0, named)}".`;
      return { content: text, calls: [], errors: [{ reason, raw: [start, position] }] };
    }
    calls.push({
      name: head.slice(named + separator.length),
      arguments: text.slice(jsonStart, jsonEnd),
      raw: [start, position],
    });
  }
  return { content: text.slice(0, listed) || null, calls };
}

function readV31AsVllm(text: string): VllmReading {
  const listed = text.indexOf(listStart);
  if (listed < 0) return { content: text, calls: [] };
  const calls: FoundCall[] = [];
  const scanner = new TagScanner(text, [callStart, callEnd, separator, "\n"]);
  let position = 0;
  for (;;) {
    const start = scanner.next(position, [callStart]);
    if (start === undefined) break;
    const end = scanner.next(start.end, ["\n"])?.start ?? text.length;
    position = end;
    const named = scanner.next(start.end, [separator]);
    if (named === undefined || named.start >= end) continue;
    const closed = scanner.next(named.end, [callEnd]);
    if (closed === undefined || closed.start >= end) continue;
    position = closed.end;
    calls.push({
      name: text.slice(start.end, named.start),
      arguments: text.slice(named.end, closed.start),
      raw: [start.start, closed.end],
    });
  }
  return { content: text.slice(0, listed) || null, calls };
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}

/** The JSON says where a call ends: fences, line breaks and end tags may be missing. */
function readStrictly({ text, thinking }: StrictInput, hasType: boolean): StrictReading {
  const scanner = new TagScanner(text, tags);
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  const lists: Span[] = [];
  let position = 0;
  for (;;) {
    const tag = scanner.next(position, [listStart, listEnd, callStart]);
    if (tag === undefined) break;
    position = tag.end;
    if (isInside(thinking, tag.start)) continue;
    if (tag.tag !== callStart) {
      lists.push([tag.start, tag.end]);
      continue;
    }
    const call = readCall(text, tag, scanner, hasType);
    if ("reason" in call) errors.push(call);
    else calls.push(call);
    position = call.raw[1];
  }
  return { calls, errors, markup: calls.length > 0 ? lists : [] };
}

function readCall(
  text: string,
  start: { start: number; end: number },
  scanner: TagScanner<(typeof tags)[number]>,
  hasType: boolean,
): FoundCall | FoundError {
  const named = scanner.next(start.end);
  if (named?.tag !== separator) {
    const raw: Span = [start.start, named?.tag === callEnd ? named.end : (named?.start ?? text.length)];
    return { reason: `Expected ${separator} after ${callStart}.`, raw };
  }
  const next = scanner.next(named.end);
  const limit = next?.start ?? text.length;
  const [name, jsonStart] = readName(text, hasType ? named.end : start.end, hasType ? limit : named.start);
  const decoded = rawDecode(text, skipFence(text, hasType ? jsonStart : named.end));
  const fallback: Span = [start.start, next?.tag === callEnd ? next.end : limit];
  if (!decoded.ok) {
    return { reason: `The arguments of "${name}" are no valid JSON: ${decoded.message}.`, raw: fallback };
  }
  let end = skipWhitespace(text, decoded.end);
  if (text.startsWith("```", end)) end = skipWhitespace(text, end + 3);
  const isClosed = text.startsWith(callEnd, end);
  if (!isClosed && end < text.length && scanner.next(end)?.start !== end) {
    return { reason: `Expected ${callEnd} after the arguments of "${name}".`, raw: fallback };
  }
  if (name === "") return { reason: "A call needs the name of a tool.", raw: fallback };
  if (!(decoded.value instanceof Map)) {
    return { reason: `The arguments of "${name}" must be a JSON object.`, raw: fallback };
  }
  const raw: Span = [start.start, isClosed ? end + callEnd.length : end];
  return { name, arguments: dumpJson(decoded.value), raw };
}

/** V3's name ends with its line or at the fence, V3.1's at the separator. */
function readName(text: string, from: number, to: number): [name: string, end: number] {
  const within = text.slice(from, to);
  const end = within.search(/\n|```|\{|$/);
  return [pythonStrip(within.slice(0, end)), from + end];
}

function skipFence(text: string, from: number): number {
  const start = skipWhitespace(text, from);
  if (!text.startsWith("```", start)) return start;
  return skipWhitespace(text, start + (text.startsWith(fence, start) ? fence.length : 3));
}

function formatCalls(
  { content, toolCalls }: FormattableCompletion,
  body: (name: string, json: string) => string,
): string {
  if (toolCalls.length === 0) return content ?? "";
  const calls = toolCalls.map((call) => {
    const json = dumpJsonWithout(argumentsValue(call.arguments), tags);
    return `${callStart}${body(call.name, json)}${callEnd}`;
  });
  return afterContent(content, `${listStart}${calls.join("\n")}${listEnd}`);
}
