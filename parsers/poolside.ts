/**
 * Poolside's Laguna writes calls as GLM does, but reads values by guess: a declared string is verbatim, everything else
 * is JSON, else a Python literal, else text, even where no schema asks for it.
 */
import type { JsonValue, ToolSchema } from "../src/contracts/chat.ts";
import { type PythonDict, pythonJsonDumps } from "../src/contracts/python-json.ts";
import { formatGlm, glmGrammar } from "./glm.ts";
import { defineParser, type FoundCall, type VllmReading } from "./shared/define-parser.ts";
import { strictEngineReader } from "./shared/engine-parser.ts";
import { keyValueTags, readKeyValuePairs } from "./shared/key-value-pairs.ts";
import { deserialize } from "./shared/literal-eval.ts";
import { isBlank, pythonStrip } from "./shared/python-text.ts";
import { asObject, propertySchema, toolProperties } from "./shared/schema-coercion.ts";

const start = "<tool_call>";
const end = "</tool_call>";
const tags = keyValueTags();

function readAsVllm(text: string, tools: readonly ToolSchema[]): VllmReading {
  const calls: FoundCall[] = [];
  let position = 0;
  for (;;) {
    const from = text.indexOf(start, position);
    const to = from < 0 ? -1 : text.indexOf(end, from);
    if (to < 0) break;
    position = to + end.length;
    const block = text.slice(from + start.length, to);
    const detail = readBlock(block);
    if (detail === undefined) continue;
    const values = typed(new Map(readKeyValuePairs(detail.body, tags).pairs), tools, detail.name);
    calls.push({ name: detail.name, arguments: pythonJsonDumps(values), raw: [from, position] });
  }
  if (calls.length === 0) return { content: text, calls };
  const before = text.slice(0, text.indexOf(start));
  return { content: isBlank(before) ? null : before, calls };
}

/** A block may hold further start tags: the first one after which a name and nothing but arguments stand is it. */
function readBlock(block: string): { name: string; body: string } | undefined {
  let from = 0;
  for (;;) {
    const next = block.indexOf("<", from);
    const head = block.slice(from, next < 0 ? undefined : next);
    const atArguments = next < 0 || block.startsWith(tags.keyStart, next);
    const found = atArguments ? readName(head) : undefined;
    if (found !== undefined) return { name: found, body: next < 0 ? "" : block.slice(next) };
    const again = block.indexOf(start, from);
    if (again < 0) return undefined;
    from = again + start.length;
  }
}

/** One line between whitespace. Of whitespace alone any but newlines is a name too, an empty one. */
function readName(head: string): string | undefined {
  if (isBlank(head)) return /[^\n]/.test(head) ? "" : undefined;
  const stripped = pythonStrip(head);
  return stripped.includes("\n") ? undefined : stripped;
}

function typed(values: PythonDict, tools: readonly ToolSchema[], tool: string): PythonDict {
  const properties = toolProperties(tools, tool);
  const result: PythonDict = new Map();
  for (const [written, value] of values) {
    const key = pythonStrip(written);
    const verbatim = typeof value !== "string" || isString(propertySchema(properties, key));
    result.set(key, verbatim ? value : deserialize(pythonStrip(value)));
  }
  return result;
}

function isString(schema: JsonValue | undefined): boolean {
  return asObject(schema)?.type === "string";
}

export const poolsideV1Parser = defineParser({
  name: "poolside_v1",
  aliases: ["poolside"],
  models: "Laguna",
  limits: [
    "Without the tool's schema a string that is JSON or a Python literal changes its type.",
    "A value can hold neither </arg_value> nor </tool_call>.",
  ],
  stream: { markers: [start], content: "trimmed" },
  readAsVllm,
  readStrictly: strictEngineReader({ ...glmGrammar, unwrap: typed }),
  format: formatGlm,
});
