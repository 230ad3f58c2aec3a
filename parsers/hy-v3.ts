/**
 * Hunyuan 3: `<tool_calls><tool_call>NAME<tool_sep>\n<arg_key>K</arg_key>\n<arg_value>V</arg_value>\n</tool_call>
 * </tool_calls>`. Its tokenizer may add a suffix to every tag (`<tool_calls:opensource>`); the text shows which.
 */
import type { JsonValue, ToolSchema } from "../src/contracts/chat.ts";
import {
  type PythonDict,
  type PythonValue,
  pythonJsonDumps,
  tryPythonJsonParse,
} from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import { pairsAsArguments } from "./glm.ts";
import { defineParser, type FoundCall, type VllmReading } from "./shared/define-parser.ts";
import type { EngineGrammar } from "./shared/engine-grammar.ts";
import { strictEngineReader } from "./shared/engine-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { keyValueTags, readKeyValuePairs } from "./shared/key-value-pairs.ts";
import { deserialize } from "./shared/literal-eval.ts";
import { plainArguments } from "./shared/plain-arguments.ts";
import { pythonFloat, pythonInt, pythonStrip } from "./shared/python-text.ts";
import { asObject, propertySchema, toolProperties } from "./shared/schema-coercion.ts";

function suffixOf(text: string): string {
  return /<tool_calls(:[\w-]{1,32})>/.exec(text)?.[1] ?? "";
}

function readAsVllm(text: string, tools: readonly ToolSchema[]): VllmReading {
  const suffix = suffixOf(text);
  const block = text.indexOf(`<tool_calls${suffix}>`);
  if (block < 0) return { content: text, calls: [] };
  const start = `<tool_call${suffix}>`;
  const separator = `<tool_sep${suffix}>`;
  const end = `</tool_call${suffix}>`;
  const calls: FoundCall[] = [];
  let position = 0;
  let ended = text.lastIndexOf(end);
  for (;;) {
    const from = text.indexOf(start, position);
    const middle = from < 0 ? -1 : text.indexOf(separator, from + start.length);
    if (middle < 0) break;
    const to = text.indexOf(end, middle);
    // Only after the last end of any call may a call lack its own, and then it takes all that is left.
    if (to < 0 && calls.length > 0 && from < ended) {
      position = ended + end.length;
      ended = -1;
      continue;
    }
    const name = pythonStrip(text.slice(from + start.length, middle));
    const body = text.slice(middle + separator.length, to < 0 ? undefined : to);
    const { pairs } = readKeyValuePairs(pythonStrip(body), keyValueTags(suffix));
    const values = typed(new Map(pairs), tools, name);
    position = to < 0 ? text.length : to + end.length;
    calls.push({ name, arguments: pythonJsonDumps(values), raw: [from, position] });
  }
  return { content: text.slice(0, block) || null, calls };
}

function typed(values: PythonDict, tools: readonly ToolSchema[], tool: string): PythonDict {
  const properties = toolProperties(tools, tool);
  const result: PythonDict = new Map();
  for (const [key, value] of values) {
    const types = typesOf(propertySchema(properties, key));
    result.set(key, typeof value === "string" ? readValue(value, types) : value);
  }
  return result;
}

/** Boolean, integer, number, other JSON, string: the first that is declared and fits. */
function readValue(text: string, types: ReadonlySet<string>): PythonValue {
  const lower = text.toLowerCase();
  if (types.has("boolean") && (lower === "true" || lower === "false")) return lower === "true";
  const integer =
    types.has("integer") || (types.has("number") && !/[.eE]/.test(text)) ? pythonInt(text) : undefined;
  if (integer !== undefined) return integer;
  const number = types.has("number") && /[.eE]/.test(text) ? pythonFloat(text) : undefined;
  if (number !== undefined) return number;
  if ([...types].some((type) => !plainTypes.has(type))) {
    const json = tryPythonJsonParse(text);
    if (json.ok) return json.value;
  }
  return types.has("string") ? text : deserialize(text);
}

const plainTypes: ReadonlySet<string> = new Set(["string", "boolean", "integer", "number"]);

/** A `type` goes before anyOf, and that before oneOf; null is none. */
function typesOf(schema: JsonValue | undefined): Set<string> {
  const { type, anyOf, oneOf } = asObject(schema) ?? {};
  const names = (options: readonly JsonValue[]) =>
    options.map((option) => asObject(option)?.type ?? "string").filter((name) => typeof name === "string");
  let found: string[] = ["string"];
  if (typeof type === "string") found = [type];
  else if (Array.isArray(type)) found = type.filter((name) => typeof name === "string");
  else if (Array.isArray(anyOf)) found = names(anyOf);
  else if (Array.isArray(oneOf)) found = names(oneOf);
  const types = new Set(found.map(normalType));
  types.delete("null");
  return types;
}

const aliases = new Map([
  ["str", "string"],
  ["text", "string"],
  ["varchar", "string"],
  ["char", "string"],
  ["enum", "string"],
  ["bool", "boolean"],
  ["binary", "boolean"],
  ["double", "number"],
  ["list", "array"],
  ["dict", "object"],
  ["map", "object"],
]);

function normalType(name: string): string {
  const alias = aliases.get(name);
  if (alias !== undefined) return alias;
  if (/^(?:int|uint|long|short|unsigned)/i.test(name)) return "integer";
  return /^(?:num|float)/i.test(name) ? "number" : name;
}

function grammarOf(suffix: string): EngineGrammar {
  const [block, blockEnd] = [`<tool_calls${suffix}>`, `</tool_calls${suffix}>`];
  const [start, end, separator] = [`<tool_call${suffix}>`, `</tool_call${suffix}>`, `<tool_sep${suffix}>`];
  return {
    tags: [block, blockEnd, start, end, separator],
    transitions: {
      content: { [block]: { to: "preamble" }, [start]: { to: "name", opens: true } },
      preamble: { [blockEnd]: { to: "content" }, [start]: { to: "name", opens: true } },
      name: { [separator]: { to: "arguments" }, [end]: { to: "between", closes: true } },
      arguments: { [end]: { to: "between", closes: true } },
      between: { [start]: { to: "name", opens: true }, [blockEnd]: { to: "content" } },
    },
    readArguments: (raw, context) => pairsAsArguments(readKeyValuePairs(raw, keyValueTags(suffix)), context),
    unwrap: typed,
  };
}

function format({ content, toolCalls }: FormattableCompletion): string {
  if (toolCalls.length === 0) return content ?? "";
  const calls = toolCalls.map(({ name, arguments: text }) => {
    const parameters = plainArguments(text).map(
      ([key, value]) => `<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>\n`,
    );
    return `<tool_call>${name}<tool_sep>\n${parameters.join("")}</tool_call>`;
  });
  return afterContent(content, `<tool_calls>\n${calls.join("\n")}\n</tool_calls>`);
}

export const hyV3Parser = defineParser({
  name: "hy_v3",
  aliases: ["hunyuan"],
  models: "Hunyuan 3",
  limits: [
    "Without the tool's schema every value is a string.",
    "A value can hold neither </arg_value> nor </tool_call>.",
  ],
  stream: { markers: ["<tool_call"], content: "verbatim" },
  readAsVllm,
  readStrictly: (input) => strictEngineReader(grammarOf(suffixOf(input.text)))(input),
  format,
});
