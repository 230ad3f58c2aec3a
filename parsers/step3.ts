/**
 * Step 3: `<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="NAME">
 * <steptml:parameter name="KEY">VALUE</steptml:parameter></steptml:invoke><｜tool_call_end｜><｜tool_calls_end｜>`.
 * vLLM wants both outer tags, skips values with a "<" in them, and gives types to scalars only.
 */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { type PythonDict, type PythonValue, pythonJsonDumps } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import { defineParser, type FoundCall, type VllmReading } from "./shared/define-parser.ts";
import type { EngineGrammar } from "./shared/engine-grammar.ts";
import { strictEngineReader } from "./shared/engine-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { plainArguments } from "./shared/plain-arguments.ts";
import { pythonFloat, pythonInt, pythonStrip } from "./shared/python-text.ts";
import { asObject, propertySchema, toolProperties } from "./shared/schema-coercion.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { readParameters } from "./shared/tagged-parameters.ts";

const blockStart = "<｜tool_calls_begin｜>";
const blockEnd = "<｜tool_calls_end｜>";
const callStart = "<｜tool_call_begin｜>";
const callEnd = "<｜tool_call_end｜>";
const separator = "<｜tool_sep｜>";
const parameterEnd = "</steptml:parameter>";

function readAsVllm(text: string, tools: readonly ToolSchema[]): VllmReading {
  const start = text.indexOf(blockStart);
  const end = start < 0 ? -1 : text.indexOf(blockEnd, start + blockStart.length);
  if (end < 0) return { content: text, calls: [] };
  const calls: FoundCall[] = [];
  const tags = new TagScanner(text, [callStart, callEnd, separator]);
  let from = start + blockStart.length;
  while (from < end) {
    const to = Math.min(tags.next(from, [callStart])?.start ?? end, end);
    const close = tags.next(from, [callEnd]);
    if (close !== undefined && close.end <= to) {
      const call = readInvoke(text, from, close.start, tags, tools);
      // A call's text begins with its own start tag, which the first part of a block may lack.
      const opened = text.startsWith(callStart, from - callStart.length) ? from - callStart.length : from;
      if (call !== undefined) calls.push({ ...call, raw: [opened, close.end] });
    }
    from = to + callStart.length;
  }
  if (calls.length === 0) return { content: text, calls };
  const content = pythonStrip(text.slice(0, start) + text.slice(end + blockEnd.length));
  return { content: content || null, calls };
}

const invoke = /<steptml:invoke name="([^"]+)">/;
const parameter = /<steptml:parameter name="([^"]+)">([^<]*)<\/steptml:parameter>/g;

function readInvoke(
  text: string,
  from: number,
  to: number,
  tags: TagScanner<typeof separator | typeof callStart | typeof callEnd>,
  tools: readonly ToolSchema[],
): { name: string; arguments: string } | undefined {
  const between = tags.next(from, [separator]);
  if (between === undefined || between.end > to) return undefined;
  if (pythonStrip(text.slice(from, between.start)) !== "function") return undefined;
  const body = text.slice(between.end, to);
  const name = invoke.exec(body)?.[1];
  if (name === undefined) return undefined;
  const values: PythonDict = new Map();
  for (const [, key = "", value = ""] of body.matchAll(parameter)) values.set(key, pythonStrip(value));
  return { name, arguments: pythonJsonDumps(cast(values, tools, name)) };
}

function cast(values: PythonDict, tools: readonly ToolSchema[], tool: string): PythonDict {
  const properties = toolProperties(tools, tool);
  for (const [key, value] of values) {
    const type = asObject(propertySchema(properties, key))?.type;
    if (typeof value === "string") values.set(key, castScalar(value, type));
  }
  return values;
}

function castScalar(text: string, type: unknown): PythonValue {
  const lower = text.toLowerCase();
  if (type === "integer") return pythonInt(text) ?? text;
  if (type === "number") return pythonFloat(text) ?? text;
  if (type === "boolean" && (lower === "true" || lower === "false")) return lower === "true";
  return type === "null" && lower === "null" ? null : text;
}

const wrapped = `${callStart}function${separator}`;
const inCall = { [callEnd]: { to: "between" }, [blockEnd]: { to: "content" } } as const;

const grammar: EngineGrammar = {
  tags: [
    blockStart,
    blockEnd,
    wrapped,
    callStart,
    callEnd,
    '<steptml:invoke name="',
    '">',
    "</steptml:invoke>",
  ],
  transitions: {
    content: {
      [blockStart]: { to: "between" },
      [wrapped]: { to: "preamble", opens: true },
      [callEnd]: { to: "content" },
      [blockEnd]: { to: "content" },
    },
    preamble: {
      [wrapped]: { to: "preamble", opens: true },
      '<steptml:invoke name="': { to: "name" },
      [callEnd]: { to: "between", closes: true },
      [blockEnd]: { to: "content" },
    },
    name: { '">': { to: "arguments" } },
    arguments: {
      "</steptml:invoke>": { to: "between", closes: true },
      [callEnd]: { to: "between", closes: true },
    },
    between: { ...inCall, [wrapped]: { to: "preamble", opens: true } },
  },
  readArguments: (raw, context) => {
    const quotes = new TagScanner(raw, ['">']);
    return readParameters(
      raw,
      {
        opening: /<steptml:parameter name="/g,
        ending: /<\/steptml:parameter>/g,
        closing: parameterEnd,
        opens: () => false,
        key: (text, at) => {
          const close = quotes.next(at);
          return close === undefined ? "no more tags" : { key: text.slice(at, close.start), end: close.end };
        },
      },
      context,
    );
  },
};

function format({ content, toolCalls }: FormattableCompletion): string {
  if (toolCalls.length === 0) return content ?? "";
  const calls = toolCalls.map(({ name, arguments: text }) => {
    const parameters = plainArguments(text).map(
      ([key, value]) => `<steptml:parameter name="${key}">${value}${parameterEnd}`,
    );
    return `${wrapped}<steptml:invoke name="${name}">${parameters.join("")}</steptml:invoke>${callEnd}`;
  });
  return afterContent(content, `${blockStart}${calls.join("\n")}${blockEnd}`);
}

export const step3Parser = defineParser({
  name: "step3",
  models: "Step 3",
  limits: [
    "As vLLM reads it, a value can hold no <, loses whitespace around it, and lists and objects come back as text.",
    "Without the tool's schema every value is a string.",
  ],
  stream: { markers: [blockStart, wrapped, callEnd, blockEnd], content: "trimmed" },
  readAsVllm,
  readStrictly: strictEngineReader(grammar),
  format,
});
