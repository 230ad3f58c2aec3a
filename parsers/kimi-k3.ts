/**
 * Kimi K3's XTML: channels for thinking, response and tools, and in the last one a call with typed arguments. Strings
 * are raw text, other types JSON. vLLM drops a call that is not closed and reads the first tools channel only.
 */
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
import { pythonSpaces, pythonStrip } from "./shared/python-text.ts";
import { namedAttributes } from "./shared/quoted-attributes.ts";

const open = "<|open|>";
const close = "<|close|>";
const separator = "<|sep|>";
const tags = [open, close, separator];

export const kimiK3Parser = defineParser({
  name: "kimi_k3",
  models: "Kimi K3",
  limits: ["Content with one of the format's tags in it."],
  stream: { markers: [open, close], content: "trimmed" },
  readAsVllm,
  readStrictly: ({ text }) => readStrictly(text),
  format: formatKimiK3,
});

/** Markers may have whitespace inside. */
function marker(kind: typeof open | typeof close, name: string): RegExp {
  const literal = kind.replaceAll("|", "\\|");
  return new RegExp(`${literal}[${pythonSpaces}]*${name}[${pythonSpaces}]*<\\|sep\\|>`, "g");
}

/** The begin of a marker with attributes. */
function opening(name: string): RegExp {
  return new RegExp(`<\\|open\\|>[${pythonSpaces}]*${name}[${pythonSpaces}]+`, "g");
}

type Element = { attributes: Map<string, string>; body: Span; raw: Span };

function findFrom(pattern: RegExp, text: string, from: number): Span | undefined {
  const search = new RegExp(pattern);
  search.lastIndex = from;
  const match = search.exec(text);
  return match === null ? undefined : [match.index, match.index + match[0].length];
}

/** All closed elements of a name within a span; `unclosed` is where one began that never ends. */
function elements(text: string, [from, to]: Span, name: string): { found: Element[]; unclosed?: number } {
  const section = text.slice(0, to);
  const closing = marker(close, name);
  const pattern = opening(name);
  const found: Element[] = [];
  pattern.lastIndex = from;
  for (let match = pattern.exec(section); match !== null; match = pattern.exec(section)) {
    const headEnd = section.indexOf(separator, pattern.lastIndex);
    const bodyStart = headEnd + separator.length;
    const closed = headEnd < 0 ? undefined : findFrom(closing, section, bodyStart);
    if (closed === undefined) return { found, unclosed: match.index };
    found.push({
      attributes: namedAttributes(section.slice(pattern.lastIndex, headEnd), unescapeAttribute),
      body: [bodyStart, closed[0]],
      raw: [match.index, closed[1]],
    });
    pattern.lastIndex = closed[1];
  }
  return { found };
}

function unescapeAttribute(text: string): string {
  return text.replaceAll("&quot;", '"').replaceAll("&amp;", "&");
}

function readAsVllm(text: string): VllmReading {
  const tools = findFrom(marker(open, "tools"), text, 0);
  if (tools === undefined) return { content: contentOf(text, text), calls: [] };
  const closed = findFrom(marker(close, "tools"), text, tools[1]);
  const calls: FoundCall[] = [];
  for (const { attributes, body, raw } of elements(text, [tools[1], closed?.[0] ?? text.length], "call")
    .found) {
    const name = attributes.get("tool") ?? "";
    if (name === "") continue;
    const values: PythonDict = new Map();
    for (const argument of elements(text, body, "argument").found) {
      const value = readValue(argument.attributes.get("type") ?? "string", text.slice(...argument.body));
      values.set(argument.attributes.get("key") ?? "", value.value);
    }
    calls.push({ name, arguments: dumpJson(values), raw });
  }
  return { content: contentOf(text, text.slice(0, tools[0])), calls };
}

function readValue(type: string, text: string): { value: PythonValue; problem?: string } {
  if (type === "string") return { value: text };
  const read = tryPythonJsonParse(text);
  return read.ok ? { value: read.value } : { value: text, problem: read.message };
}

/** The first closed response channel of the text; else what stands before the tools, without markers. */
function contentOf(text: string, before: string): string | null {
  const response = findFrom(marker(open, "response"), text, 0);
  const closed = response && findFrom(marker(close, "response"), text, response[1]);
  if (response !== undefined && closed !== undefined) return text.slice(response[1], closed[0]) || null;
  const opened = findFrom(marker(open, "response"), before, 0);
  const end = opened && findFrom(marker(close, "response"), before, opened[1]);
  const body =
    opened === undefined
      ? before.replace(marker(close, "response"), "")
      : before.slice(opened[1], end?.[0] ?? before.length);
  return body.replace(marker(close, "message"), "") || null;
}

const channelMarker = new RegExp(
  `<\\|(?:open|close)\\|>[${pythonSpaces}]*(?:response|tools|message|think)[${pythonSpaces}]*<\\|sep\\|>`,
  "g",
);

/** Every tools channel; broken calls and stray text stay in the content. */
function readStrictly(text: string): StrictReading {
  const thought = channel(text, "think");
  const answer = { from: thought?.end ?? 0 };
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  const content: string[] = [];
  let position = answer.from;
  const { found, unclosed } = elements(text, [position, text.length], "call");
  for (const element of found) {
    content.push(text.slice(position, element.raw[0]));
    position = element.raw[1];
    const call = readCall(text, element);
    if ("reason" in call) {
      errors.push(call);
      content.push(text.slice(...element.raw));
    } else calls.push(call);
  }
  content.push(text.slice(position));
  if (unclosed !== undefined) {
    errors.push({
      reason: `The tool call is not closed by ${close}call${separator}.`,
      raw: [unclosed, text.length],
    });
  }
  const left = pythonStrip(content.join("").replace(channelMarker, ""));
  return { calls, errors, content: left || null, reasoning: thought?.body || null };
}

/** The thinking at the beginning; the prompt may have opened it. */
function channel(text: string, name: string): { body: string; end: number } | undefined {
  const opened = findFrom(marker(open, name), text, 0);
  const closed = findFrom(marker(close, name), text, 0);
  if (opened === undefined && closed === undefined) return undefined;
  const isFirst = opened !== undefined && pythonStrip(text.slice(0, opened[0])) === "";
  if (closed === undefined) return isFirst ? { body: text.slice(opened[1]), end: text.length } : undefined;
  if (isFirst) return { body: text.slice(opened[1], Math.max(opened[1], closed[0])), end: closed[1] };
  return opened === undefined || opened[0] > closed[0]
    ? { body: text.slice(0, closed[0]), end: closed[1] }
    : undefined;
}

function readCall(text: string, { attributes, body, raw }: Element): FoundCall | FoundError {
  const name = attributes.get("tool") ?? "";
  if (name === "") return { reason: 'A call needs the attribute tool="name".', raw };
  const values: PythonDict = new Map();
  const { found, unclosed } = elements(text, body, "argument");
  if (unclosed !== undefined) return { reason: `An argument of "${name}" is not closed.`, raw };
  for (const argument of found) {
    const key = argument.attributes.get("key");
    if (key === undefined) return { reason: `An argument of "${name}" needs the attribute key="name".`, raw };
    const read = readValue(argument.attributes.get("type") ?? "string", text.slice(...argument.body));
    if (read.problem !== undefined) {
      return { reason: `The argument "${key}" of "${name}" is no valid JSON: ${read.problem}.`, raw };
    }
    values.set(key, read.value);
  }
  return { name, arguments: dumpJson(values), raw };
}

function formatKimiK3({ content, toolCalls }: FormattableCompletion): string {
  const response = content ? channelText("response", content) : "";
  if (toolCalls.length === 0) return response;
  const calls = toolCalls.map((call, index) => {
    const value = argumentsValue(call.arguments);
    const dict: PythonDict = value instanceof Map ? value : new Map([["input", value]]);
    const items = [...dict].map(([key, item]) => {
      const [type, text] = spell(item);
      const head = `${open}argument key="${escapeAttribute(key)}" type="${type}"${separator}`;
      return `${head}${text}${close}argument${separator}`;
    });
    const head = `${open}call tool="${escapeAttribute(call.name)}" index="${index + 1}"${separator}`;
    return `${head}${items.join("")}${close}call${separator}`;
  });
  return response + channelText("tools", calls.join(""));
}

function channelText(name: string, text: string): string {
  return `${open}${name}${separator}${text}${close}${name}${separator}`;
}

/** A string with tags in it is written as JSON, in which they can be escaped. */
function spell(value: PythonValue): [type: string, text: string] {
  if (typeof value === "string" && !tags.some((tag) => value.includes(tag))) return ["string", value];
  return [typeOf(value), dumpJsonWithout(value, tags)];
}

function typeOf(value: PythonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (value instanceof Map) return "object";
  if (typeof value === "string") return "json";
  return typeof value === "boolean" ? "boolean" : "number";
}

function escapeAttribute(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
}
