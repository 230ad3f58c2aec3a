/**
 * OLMo 3's calls: Python, one call a line, between `<function_calls>` and `</function_calls>`. vLLM makes a list of the
 * lines and reads that, all or none; text outside the tags is lost.
 */
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import { beginsCall, looksLikeCallList } from "./shared/call-list-guard.ts";
import { defineParser, type Span, type StrictInput, type VllmReading } from "./shared/define-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { PiecedText } from "./shared/pieced-text.ts";
import { isPythonSpace, pythonStripEnd, pythonStripStart } from "./shared/python-text.ts";
import { firstOutside, PythonBlockReader, readCallListAsVllm, StrictCalls } from "./shared/pythonic-calls.ts";
import { PythonProblem, readCall } from "./shared/pythonic-reader.ts";
import { formatPythonicCall, pythonicCall } from "./shared/pythonic-values.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { isInside } from "./shared/thinking-spans.ts";

const start = "<function_calls>";
const end = "</function_calls>";

export const olmo3Parser = defineParser({
  name: "olmo3",
  models: "OLMo 3",
  limits: [
    "Text beside the calls: vLLM loses what stands outside the tags.",
    "Negative numbers in vLLM mode: Python has no literal for them, and vLLM then reads no call at all.",
    "Tool names and argument names that are no Python names; NaN.",
  ],
  readAsVllm,
  readStrictly,
  format: formatOlmo3,
});

function readAsVllm(text: string): VllmReading {
  const body = wrappedBody(text) ?? [0, text.length];
  if (!beginsCall(text, skipSpaces(text, body[0]))) return { content: text, calls: [] };
  const list = listOfLines(text, body);
  if (!looksLikeCallList(list.text)) return { content: text, calls: [] };
  const read = readCallListAsVllm(list.text);
  if (!read.ok) return { content: text, calls: [], errors: [{ reason: read.reason, raw: body }] };
  const calls = read.calls.map((call) => ({ ...call, raw: list.original(call.raw) }));
  return { content: null, calls };
}

function skipSpaces(text: string, from: number): number {
  let position = from;
  while (isPythonSpace(text.charCodeAt(position))) position++;
  return position;
}

/** What stands between the first start tag and the first end tag after it. */
function wrappedBody(text: string): Span | undefined {
  const opened = text.indexOf(start);
  const closed = opened < 0 ? -1 : text.indexOf(end, opened + start.length);
  return closed < 0 ? undefined : [opened + start.length, closed];
}

/** The lines, stripped, without empty lines, joined as the items of a list. */
function listOfLines(text: string, [from, to]: Span): PiecedText {
  const list = new PiecedText();
  list.insert("[", from);
  let position = from;
  let isFirst = true;
  for (const line of splitLines(text.slice(from, to))) {
    const body = pythonStripEnd(line);
    const stripped = pythonStripStart(body);
    if (stripped !== "") {
      if (!isFirst) list.insert(", ", position);
      list.add(stripped, position + body.length - stripped.length);
      isFirst = false;
    }
    position += line.length;
  }
  list.insert("]", to);
  return list;
}

/** `str.splitlines()`; the character that ended a line stays at its end. */
function splitLines(text: string): string[] {
  const lines: string[] = [];
  let from = 0;
  for (let position = 0; position < text.length; position++) {
    if (!isLineBreak(text.charCodeAt(position))) continue;
    lines.push(text.slice(from, position + 1));
    from = position + 1;
  }
  lines.push(text.slice(from));
  return lines;
}

function isLineBreak(code: number): boolean {
  if (code <= 0x1e) return (code >= 0x0a && code <= 0x0d) || code >= 0x1c;
  return code === 0x85 || code === 0x2028 || code === 0x2029;
}

/** Calls between tags; without tags only where the whole answer is calls. */
function readStrictly({ text, thinking }: StrictInput): StrictCalls {
  const reading = new StrictCalls();
  const scanner = new TagScanner(text, [start, end, "\n"]);
  const blocks = new PythonBlockReader(text);
  let isWrapped = false;
  let position = 0;
  for (;;) {
    const tag = scanner.next(position, [start]);
    if (tag === undefined) break;
    position = tag.end;
    if (isInside(thinking, tag.start)) continue;
    isWrapped = true;
    const before = reading.calls.length;
    const bodyEnd = readLines({ text, from: tag.end, reading, scanner, blocks });
    position = text.startsWith(end, bodyEnd) ? bodyEnd + end.length : bodyEnd;
    if (reading.calls.length === before) continue;
    reading.markup.push([tag.start, tag.end]);
    if (position > bodyEnd) reading.markup.push([bodyEnd, position]);
  }
  return isWrapped ? reading : readBare(text, firstOutside(text, thinking));
}

type Lines = {
  text: string;
  from: number;
  reading: StrictCalls;
  scanner: TagScanner<string>;
  blocks: PythonBlockReader;
};

/** Reads calls up to the end tag, the next start tag or the end of the text; a bad one ends with its line. */
function readLines({ text, from, reading, scanner, blocks }: Lines): number {
  let position = from;
  for (;;) {
    position = skipSeparators(text, position);
    if (position >= text.length || text.startsWith(end, position) || text.startsWith(start, position)) {
      return position;
    }
    const limit = scanner.next(position)?.start ?? text.length;
    const node = blocks.read(readCall, position, limit);
    if (node instanceof PythonProblem) reading.refuse(node, [position, limit]);
    else reading.take(node);
    position = node instanceof PythonProblem ? limit : node.end;
  }
}

function readBare(text: string, from: number): StrictCalls {
  const reading = new StrictCalls();
  let position = from;
  while (position < text.length) {
    const node = readCall(text, position);
    if (node instanceof PythonProblem || !pythonicCall(node, "lenient").ok) return new StrictCalls();
    reading.take(node);
    const next = skipSeparators(text, node.end);
    if (next < text.length && !/[\n,]/.test(text.slice(node.end, next))) return new StrictCalls();
    position = next;
  }
  return reading;
}

function skipSeparators(text: string, from: number): number {
  let position = from;
  while (/[\s,]/.test(text.charAt(position))) position++;
  return position;
}

function formatOlmo3({ content, toolCalls }: FormattableCompletion): string {
  if (toolCalls.length === 0) return content ?? "";
  const lines = toolCalls.map((call) => formatPythonicCall(call, [start, end]));
  return afterContent(content, `${start}${lines.join("\n")}${end}`);
}
