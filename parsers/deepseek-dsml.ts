/**
 * DeepSeek V3.2 and V4: DSML, `<｜DSML｜function_calls>\n<｜DSML｜invoke name="NAME">\n<｜DSML｜parameter name="KEY"
 * string="true|false">VALUE</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>`. V4 names the wrapper
 * tool_calls and thinks in `<think>`. The `string` attribute says whether a value is text or JSON.
 */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { type PythonDict, tryPythonJsonParse } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import type { DefinedParser } from "./shared/define-parser.ts";
import type { ArgumentsContext, EngineGrammar, ReadArguments } from "./shared/engine-grammar.ts";
import { defineEngineParser } from "./shared/engine-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { dumpJson } from "./shared/json-calls.ts";
import { argumentEntries, plainValue } from "./shared/plain-arguments.ts";
import { pythonStrip } from "./shared/python-text.ts";
import { toolProperties } from "./shared/schema-coercion.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { type ParameterGrammar, readParameters } from "./shared/tagged-parameters.ts";

const dsml = "｜DSML｜";
const invokeStart = `<${dsml}invoke name="`;
const invokeEnd = `</${dsml}invoke>`;
const parameterEnd = `</${dsml}parameter>`;

function grammarOf(wrapper: string, thinks: boolean): EngineGrammar {
  const start = `<${dsml}${wrapper}>`;
  const end = `</${dsml}${wrapper}>`;
  return {
    tags: ["<think>", "</think>", start, end, invokeStart, '">', '"/>', invokeEnd, parameterEnd],
    ...(thinks ? { thinking: { open: "<think>", close: "</think>", opens: true, exit: start } } : {}),
    transitions: {
      content: { [start]: { to: "preamble" } },
      preamble: { [invokeStart]: { to: "name", opens: true } },
      name: { '">': { to: "arguments" } },
      arguments: {
        [invokeEnd]: { to: "between", closes: true },
        [end]: { to: "content", closes: true },
      },
      between: {
        [invokeStart]: { to: "name", opens: true },
        [end]: { to: "content" },
      },
    },
    strictTransitions: {
      preamble: { [end]: { to: "content" } },
      name: { '"/>': { to: "between", closes: true } },
    },
    readArguments,
    unwrap,
    keepsContentWhitespace: true,
  };
}

const opening = new RegExp(`<${dsml}parameter\\s+name="`, "g");
const ending = new RegExp(parameterEnd, "g");
const attributesEnd = /"\s+string="(true|false)">/y;

function readArguments(raw: string, context: ArgumentsContext): ReadArguments {
  const quotes = new TagScanner(raw, ['"']);
  const key: ParameterGrammar["key"] = (text, at) => {
    const quote = quotes.next(at);
    if (quote === undefined) return "no more tags";
    attributesEnd.lastIndex = quote.start;
    const isString = attributesEnd.exec(text)?.[1];
    if (isString === undefined || quote.start === at) return "no tag";
    return { key: text.slice(at, quote.start), end: attributesEnd.lastIndex, isJson: isString === "false" };
  };
  const read = readParameters(
    raw,
    {
      opening,
      ending,
      closing: parameterEnd,
      key,
      opens: () => false,
      value: (text, { isJson }) => {
        const json = isJson ? tryPythonJsonParse(text) : undefined;
        return json?.ok ? json.value : text;
      },
    },
    context,
  );
  return context.strict ? withJsonBody(raw, read) : read;
}

/** Some checkpoints write the arguments as one JSON object, without parameter tags. */
function withJsonBody(raw: string, read: ReadArguments): ReadArguments {
  const body = pythonStrip(raw);
  if (read.values.size > 0 || read.problem !== undefined || body === "") return read;
  const json = tryPythonJsonParse(body);
  if (json.ok && json.value instanceof Map) return { values: json.value };
  return { ...read, problem: "its body has neither parameters nor is it a JSON object." };
}

/** A single parameter `arguments` or `input` that the schema lacks holds the real arguments. */
function unwrap(values: PythonDict, tools: readonly ToolSchema[], name: string): PythonDict {
  const allowed = new Set(Object.keys(toolProperties(tools, name)));
  if (allowed.size === 0 || values.size !== 1) return values;
  for (const wrapper of ["arguments", "input"]) {
    if (!values.has(wrapper) || allowed.has(wrapper)) continue;
    let inner = values.get(wrapper);
    if (typeof inner === "string") {
      const read = tryPythonJsonParse(inner);
      if (!read.ok) return values;
      inner = read.value;
    }
    if (inner instanceof Map && inner.keys().every((key) => allowed.has(key))) return inner;
  }
  return values;
}

function formatAs(wrapper: string) {
  return ({ content, toolCalls }: FormattableCompletion): string => {
    if (toolCalls.length === 0) return content ?? "";
    const calls = toolCalls.map(({ name, arguments: text }) => {
      const parameters = argumentEntries(text).map(([key, value]) => {
        const isString = typeof value === "string";
        const written = isString ? plainValue(value) : dumpJson(value);
        return `<${dsml}parameter name="${key}" string="${isString}">${written}${parameterEnd}\n`;
      });
      return `${invokeStart}${name}">\n${parameters.join("")}${invokeEnd}\n`;
    });
    return afterContent(content, `<${dsml}${wrapper}>\n${calls.join("")}</${dsml}${wrapper}>`);
  };
}

const limits = [
  `A value can hold neither ${parameterEnd}, ${invokeEnd} nor the wrapper's end; a key or name no quotes.`,
];

function parserOf(
  name: string,
  alias: string,
  models: string,
  wrapper: string,
  thinks: boolean,
): DefinedParser {
  return defineEngineParser({
    name,
    aliases: [alias],
    models,
    limits,
    grammar: grammarOf(wrapper, thinks),
    format: formatAs(wrapper),
  });
}

export const deepseekV32Parser = parserOf(
  "deepseek_v32",
  "deepseekv32",
  "DeepSeek V3.2",
  "function_calls",
  false,
);
export const deepseekV4Parser = parserOf("deepseek_v4", "deepseekv4", "DeepSeek V4", "tool_calls", true);
