/**
 * SGLang's reader of Muse: channels with a recipient, and calls in XML-like `atem` tags on the channels of tools. Text
 * outside those channels is content, and calls of tools that were not offered are dropped.
 */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { type PythonDict, type PythonValue, tryPythonJsonParse } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { argumentsValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { dumpJson } from "./shared/json-calls.ts";
import { isOffered } from "./shared/offered-tools.ts";
import { isPythonSpace, pythonStrip } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";

const start = "<|start|>";
const message = "<|message|>";
const endOfMessage = "<|eom|>";
const endOfTurn = "<|eot|>";
const listOpen = "<atem:function_calls>";
const listClose = "</atem:function_calls>";
const invokeOpen = "<atem:invoke";
const invokeClose = "</atem:invoke>";
const parameterOpen = "<atem:parameter";
const parameterClose = "</atem:parameter>";
const tags = [
  ...[start, message, endOfMessage, endOfTurn, listOpen, listClose],
  ...[invokeOpen, invokeClose, parameterOpen, parameterClose],
];
type Scanner = TagScanner<string>;

export const museParser = defineParser({
  name: "muse",
  aliases: ["muse_glimmer"],
  models: "Muse Glimmer (SGLang)",
  limits: [
    'Tool and argument names with ">" or quotes in them; content with one of the format\'s tags in it.',
  ],
  readAsVllm: readAsSglang,
  readStrictly: ({ text }) => readStrictly(text),
  format: formatMuse,
});

/** `recipient` is null for text that no header announced. */
type Channel = { recipient: string | null; body: Span };
type Piece = { kind: "text"; span: Span } | ({ kind: "channel" } & Channel);

function piecesOf(text: string, scanner: Scanner): Piece[] {
  const pieces: Piece[] = [];
  let position = 0;
  while (position < text.length) {
    const head = skipSpaces(text, position);
    const hasHeader = text.startsWith(start, head) || (position === 0 && mayBeHeader(text, head, scanner));
    const marker = hasHeader ? scanner.next(position, [message]) : undefined;
    if (hasHeader && marker === undefined) {
      pieces.push({ kind: "text", span: [position, text.length] });
      return pieces;
    }
    if (marker !== undefined && text.startsWith(start, head) && head > position) {
      pieces.push({ kind: "text", span: [position, head] });
    }
    const [, recipient = "user"] = marker ? (/to=([^\s<]+)/.exec(text.slice(head, marker.start)) ?? []) : [];
    const bodyStart = marker?.end ?? position;
    const end = scanner.next(bodyStart, [endOfMessage, endOfTurn]);
    const body: Span = [bodyStart, end?.start ?? text.length];
    pieces.push({ kind: "channel", recipient: marker === undefined ? null : recipient, body });
    position = end?.end ?? text.length;
  }
  return pieces;
}

/** The prompt may have begun the first header. */
function mayBeHeader(text: string, head: number, scanner: Scanner): boolean {
  if (head >= text.length) return true;
  if (!text.startsWith("to=", head)) return "to=".startsWith(text.slice(head, head + 3));
  if (scanner.next(head, [message]) !== undefined) return true;
  const angle = text.indexOf("<", head);
  const recipient = text.slice(head + 3, angle < 0 ? text.length : angle);
  return !/\s/.test(recipient) && (angle < 0 || message.startsWith(text.slice(angle)));
}

function skipSpaces(text: string, from: number): number {
  let position = from;
  while (isPythonSpace(text.charCodeAt(position))) position++;
  return position;
}

function isTool(recipient: string | null): boolean {
  return recipient !== null && recipient !== "self" && recipient !== "user";
}

type Invocation = { name: string | undefined; values: PythonDict; raw: Span; closed: boolean };

function invocations(text: string, [from, to]: Span, scanner: Scanner): Invocation[] {
  const found: Invocation[] = [];
  let position = from;
  for (;;) {
    const open = scanner.next(position, [invokeOpen]);
    if (open === undefined || open.start >= to) return found;
    const headEnd = scanner.next(open.end, [">"]);
    if (headEnd === undefined || headEnd.start >= to) return found;
    position = headEnd.end;
    const name = nameIn(text.slice(open.end, headEnd.start));
    const close = scanner.next(headEnd.end, [invokeClose]);
    const closed = close !== undefined && close.start < to;
    // A tag without a name opens nothing.
    if (name === undefined) {
      found.push({ name, values: new Map(), raw: [open.start, headEnd.end], closed: false });
      continue;
    }
    const body: Span = [headEnd.end, closed ? close.start : to];
    const raw: Span = [open.start, closed ? close.end : to];
    found.push({ name, values: closed ? parameters(text, body, scanner) : new Map(), raw, closed });
    position = raw[1];
  }
}

function nameIn(head: string): string | undefined {
  return /^\W(?:.*\W)?name="([^"]+)"/s.exec(head)?.[1];
}

function parameters(text: string, [from, to]: Span, scanner: Scanner): PythonDict {
  const values: PythonDict = new Map();
  let position = from;
  for (;;) {
    const open = scanner.next(position, [parameterOpen]);
    if (open === undefined || open.start >= to) return values;
    const headEnd = scanner.next(open.end, [">"]);
    const close = headEnd && scanner.next(headEnd.end, [parameterClose]);
    if (headEnd === undefined || close === undefined || close.start >= to) return values;
    const key = nameIn(text.slice(open.end, headEnd.start));
    position = key === undefined ? headEnd.end : close.end;
    if (key !== undefined) values.set(key, readValue(text.slice(headEnd.end, close.start)));
  }
}

function readValue(text: string): PythonValue {
  const read = tryPythonJsonParse(text);
  return read.ok ? read.value : text;
}

/** Models double a name's namespace; a name that only one tool can have meant is that tool's. */
function normalizeName(name: string, tools: readonly ToolSchema[]): string {
  const names = tools.map((tool) => tool.function.name);
  if (names.includes(name) || !name.includes(".")) return name;
  const dot = name.indexOf(".");
  const head = name.slice(0, dot);
  if (head === name.slice(dot + 1) && names.includes(head)) return head;
  const leaf = name.slice(name.lastIndexOf(".") + 1);
  const meant = names.filter((known) => known.slice(known.lastIndexOf(".") + 1) === leaf);
  return meant.length === 1 ? (meant[0] ?? name) : name;
}

function readAsSglang(text: string, tools: readonly ToolSchema[]): VllmReading {
  const scanner: Scanner = new TagScanner(text, [...tags, ">"]);
  const content: string[] = [];
  const calls: FoundCall[] = [];
  for (const piece of piecesOf(text, scanner)) {
    if (piece.kind === "text") content.push(text.slice(...piece.span));
    else if (!isTool(piece.recipient)) content.push(text.slice(...piece.body));
    else {
      for (const { name, values, raw, closed } of invocations(text, piece.body, scanner)) {
        const called = name === undefined ? undefined : normalizeName(name, tools);
        if (!closed || called === undefined || !isOffered(tools, called)) continue;
        calls.push({ name: called, arguments: dumpJson(values), raw });
      }
    }
  }
  return { content: content.join("") || null, calls };
}

/** Thinking goes to `self`; broken calls and other text of a tool's channel stay in the content. */
function readStrictly(text: string): StrictReading {
  const scanner: Scanner = new TagScanner(text, [...tags, ">"]);
  const content: string[] = [];
  const reasoning: string[] = [];
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  for (const piece of piecesOf(text, scanner)) {
    if (piece.kind === "text") content.push(text.slice(...piece.span));
    else if (piece.recipient === "self") reasoning.push(text.slice(...piece.body));
    else if (!isTool(piece.recipient)) content.push(text.slice(...piece.body));
    else {
      let [position] = piece.body;
      for (const { name, values, raw, closed } of invocations(text, piece.body, scanner)) {
        content.push(text.slice(position, raw[0]));
        position = raw[1];
        if (closed && name !== undefined) calls.push({ name, arguments: dumpJson(values), raw });
        else {
          errors.push({
            reason: closed ? "A call needs a name." : `Expected ${invokeClose}, and a name.`,
            raw,
          });
          content.push(text.slice(...raw));
        }
      }
      content.push(text.slice(position, piece.body[1]));
    }
  }
  const left = pythonStrip(content.join("").replaceAll(listOpen, "").replaceAll(listClose, ""));
  return { calls, errors, content: left || null, reasoning: pythonStrip(reasoning.join("\n")) || null };
}

/** The prompt ends with the first header's begin. */
function formatMuse({ content, toolCalls }: FormattableCompletion): string {
  const messages = content ? [`to=user${message}${content}`] : [];
  if (toolCalls.length > 0) {
    const calls = toolCalls.map((call) => {
      const value = argumentsValue(call.arguments);
      const dict: PythonDict = value instanceof Map ? value : new Map([["input", value]]);
      const items = [...dict].map(
        ([key, item]) => `${parameterOpen} name="${key}">${spell(item)}${parameterClose}\n`,
      );
      return `${invokeOpen} name="${call.name}">\n${items.join("")}${invokeClose}\n`;
    });
    messages.push(`to=functions${message}${listOpen}\n${calls.join("")}${listClose}`);
  }
  const text = messages.join(`${endOfMessage}${start}assistant `);
  return text === "" ? "" : text + endOfTurn;
}

/** Text as it is, unless it would be read as JSON or as a tag: then it is JSON itself. */
function spell(value: PythonValue): string {
  const isPlain =
    typeof value === "string" && !tryPythonJsonParse(value).ok && !tags.some((tag) => value.includes(tag));
  return isPlain ? value : dumpJsonWithout(value, tags);
}
