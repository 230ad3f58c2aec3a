/**
 * Liquid's LFM2: a list of Python calls between `<|tool_call_start|>` and `<|tool_call_end|>`. vLLM reads the first
 * list only, keeps the text around it, and drops the echo of the list that these models like to add.
 */
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import { defineParser, type StrictInput, type VllmReading } from "./shared/define-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { pythonStrip, pythonStripEnd, pythonStripStart } from "./shared/python-text.ts";
import { PythonBlockReader, readCallListAsVllm, StrictCalls } from "./shared/pythonic-calls.ts";
import { PythonProblem, readList } from "./shared/pythonic-reader.ts";
import { formatPythonicCall } from "./shared/pythonic-values.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { isInside } from "./shared/thinking-spans.ts";

const start = "<|tool_call_start|>";
const end = "<|tool_call_end|>";

export const lfm2Parser = defineParser({
  name: "lfm2",
  models: "LFM2, LFM2.5",
  limits: [
    "Negative numbers in vLLM mode: Python has no literal for them, and vLLM then reads no call at all.",
    "Tool names and argument names that are no Python names; NaN.",
  ],
  stream: { markers: [start], content: "trimmed" },
  readAsVllm,
  readStrictly,
  format: formatLfm2,
});

function readAsVllm(text: string): VllmReading {
  const opened = text.indexOf(start);
  if (opened < 0) return { content: text, calls: [] };
  const from = opened + start.length;
  const closed = text.indexOf(end, from);
  const to = closed < 0 ? text.length : closed;
  const body = pythonStripEnd(text.slice(from, to));
  const list = pythonStripStart(body);
  if (!list.startsWith("[") || !list.endsWith("]")) return { content: text, calls: [] };
  const read = readCallListAsVllm(list);
  if (!read.ok) return { content: text, calls: [], errors: [{ reason: read.reason, raw: [opened, to] }] };
  const shift = from + body.length - list.length;
  const calls = read.calls.map((call) => ({
    ...call,
    raw: [call.raw[0] + shift, call.raw[1] + shift] as const,
  }));
  const before = pythonStrip(text.slice(0, opened));
  const after = closed < 0 ? "" : pythonStrip(withoutEcho(text.slice(closed + end.length)));
  return { content: [before, after].filter((part) => part !== "").join("\n") || null, calls };
}

/** What follows the last further end token. */
function withoutEcho(text: string): string {
  const last = text.lastIndexOf(end);
  return last < 0 ? text : text.slice(last + end.length);
}

/** Every block; the list itself says where it ends, so that a token inside a string does no harm. */
function readStrictly({ text, thinking }: StrictInput): StrictCalls {
  const reading = new StrictCalls();
  const scanner = new TagScanner(text, [start, end]);
  const blocks = new PythonBlockReader(text);
  let position = 0;
  for (;;) {
    const tag = scanner.next(position, [start]);
    if (tag === undefined) return reading;
    position = tag.end;
    if (isInside(thinking, tag.start)) continue;
    const limit = scanner.next(tag.end)?.start ?? text.length;
    const list = blocks.read(readList, tag.end + leadingSpace(text, tag.end, limit), limit);
    if (list instanceof PythonProblem) reading.refuse(list, [tag.start, limit]);
    if (list instanceof PythonProblem || list.kind !== "list") continue;
    reading.markup.push([tag.start, tag.end]);
    reading.takeList(list);
    position = list.end + leadingSpace(text, list.end, text.length);
    if (!text.startsWith(end, position)) continue;
    reading.markup.push([position, position + end.length]);
    position += end.length;
  }
}

function leadingSpace(text: string, from: number, to: number): number {
  let position = from;
  while (position < to && /\s/.test(text.charAt(position))) position++;
  return position - from;
}

function formatLfm2({ content, toolCalls }: FormattableCompletion): string {
  if (toolCalls.length === 0) return content ?? "";
  const calls = toolCalls.map((call) => formatPythonicCall(call, [start, end]));
  return afterContent(content, `${start}[${calls.join(", ")}]${end}`);
}
