/**
 * MiniCPM5: `<function name="NAME"><param name="KEY">VALUE</param></function>`, read as XML and, where it is none, by
 * its tags. A block counts only if its tool is offered and its required parameters are there; other blocks stay text.
 */
import type { ToolSchema } from "../src/contracts/chat.ts";
import {
  type PythonDict,
  type PythonValue,
  pythonJsonDumps,
  tryPythonJsonParse,
} from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import { withoutAlias } from "./minicpm5-aliases.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { literalEval } from "./shared/literal-eval.ts";
import { plainArguments } from "./shared/plain-arguments.ts";
import { pythonStrip, pythonStripStart } from "./shared/python-text.ts";
import { asObject, findTool, propertySchema, toolProperties } from "./shared/schema-coercion.ts";
import { isInside } from "./shared/thinking-spans.ts";
import { readXmlElement } from "./shared/xml-element.ts";

const blockStart = "<function";
const blockEnd = "</function>";

/** Repairs what broken detokenizers make of the tags, and knows where a place stood before. */
class RepairedText {
  readonly text: string;
  readonly #inserted: number[] = [];
  #passed = 0;

  constructor(original: string) {
    if (!/[ĠĊ]|<(?:function|param)name=/.test(original)) {
      this.text = original;
      return;
    }
    const spaced = original.replaceAll("Ġ", " ").replaceAll("Ċ", "\n");
    this.text = spaced.replace(/<(function|param)name=/g, (_, tag: string, at: number) => {
      this.#inserted.push(at + this.#inserted.length + 1 + tag.length);
      return `<${tag} name=`;
    });
  }

  /** Asked in ascending order. */
  original(position: number): number {
    while ((this.#inserted[this.#passed] ?? Number.POSITIVE_INFINITY) < position) this.#passed++;
    return position - this.#passed;
  }
}

type Parameter = { key: string; text: string };

/** The parts of a block; undefined where it has no name. `broken`: a parameter has none. */
type Block = { name: string; parameters: Parameter[]; broken: boolean };

function readBlock(block: string): Block | undefined {
  const root = readXmlElement(block);
  const node = root?.tag === "function" ? root : root?.children.find(({ tag }) => tag === "function");
  const name = pythonStrip(node?.attributes.get("name") ?? "");
  if (node === undefined || name === "") return readTags(block);
  const inner = node.children.find(({ tag }) => tag === "arguments");
  const own = node.children.filter(({ tag }) => tag === "param");
  const params = own.length > 0 ? own : (inner?.children.filter(({ tag }) => tag === "param") ?? []);
  const parameters = params.map(({ attributes, text }) => ({ key: attributes.get("name") ?? "", text }));
  return { name, parameters, broken: parameters.some(({ key }) => key === "") };
}

const parameterTag = /<param\s+name=['"]([^'"]+)['"]>/g;

function readTags(block: string): Block | undefined {
  const name = pythonStrip(/<function\s+name=['"]([^'"]+)['"][^>]*>/.exec(block)?.[1] ?? "");
  if (name === "") return undefined;
  const parameters: Parameter[] = [];
  let at = 0;
  for (;;) {
    parameterTag.lastIndex = at;
    const opened = parameterTag.exec(block);
    const end = opened === null ? -1 : block.indexOf("</param>", parameterTag.lastIndex);
    if (opened === null || end < 0) return { name, parameters, broken: hasNamelessParameter(block) };
    parameters.push({
      key: pythonStrip(opened[1] ?? ""),
      text: withoutCdata(block.slice(parameterTag.lastIndex, end)),
    });
    at = end + "</param>".length;
  }
}

function withoutCdata(text: string): string {
  const isData = text.startsWith("<![CDATA[") && text.endsWith("]]>");
  return isData ? text.slice("<![CDATA[".length, -"]]>".length) : pythonStrip(text);
}

/** A `<param` whose tag ends without `name=`. */
function hasNamelessParameter(block: string): boolean {
  const names = /\bname=/g;
  let name = -1;
  let end = -1;
  for (const { index } of block.matchAll(/<param/g)) {
    const from = index + "<param".length;
    if (end < from) end = block.indexOf(">", from);
    if (end < 0) return false;
    while (name < from && name !== Number.POSITIVE_INFINITY) {
      names.lastIndex = from;
      name = names.exec(block)?.index ?? Number.POSITIVE_INFINITY;
    }
    if (name > end) return true;
  }
  return false;
}

type ReadCall = { ok: true; name: string; arguments: PythonDict } | { ok: false; reason: string };

function readCall(block: string, tools: readonly ToolSchema[]): ReadCall {
  const read = readBlock(block);
  if (read === undefined) return refuse("The tool call has no function name.");
  if (read.broken) return refuse(`A parameter of "${read.name}" has no name.`);
  const values = gather(read, tools);
  if (values === undefined)
    return refuse(`The parameters of "${read.name}" are given twice or cannot be read.`);
  const offered = new Set(tools.map((tool) => tool.function.name));
  const call = withoutAlias({ name: read.name, arguments: values }, offered);
  if (!offered.has(call.name)) return refuse(`There is no tool named "${call.name}".`);
  const required = findTool(tools, call.name)?.function.parameters.required;
  const missing = (Array.isArray(required) ? required : []).find(
    (key) => typeof key === "string" && !call.arguments.has(key),
  );
  if (missing !== undefined)
    return refuse(`The call of "${call.name}" lacks the required parameter "${missing}".`);
  return { ok: true, ...call };
}

function refuse(reason: string): ReadCall {
  return { ok: false, reason };
}

/** Keys that the schema lacks are skipped, or taken apart where they wrap the real arguments. */
function gather({ name, parameters }: Block, tools: readonly ToolSchema[]): PythonDict | undefined {
  const properties = toolProperties(tools, name);
  const anyKey = Object.keys(properties).length === 0;
  const isKnown = (key: string) => anyKey || Object.hasOwn(properties, key);
  const typeOf = (key: string) => asObject(propertySchema(properties, key))?.type;
  const values: PythonDict = new Map();
  for (const { key, text } of parameters) {
    if (isKnown(key)) {
      if (values.has(key)) return undefined;
      values.set(key, coerce(text, typeOf(key)));
    } else if (key === "properties" || key === "arguments") {
      const inner = guess(text);
      if (!(inner instanceof Map)) return undefined;
      const known = [...inner].filter(([wrapped]) => isKnown(wrapped));
      if (known.length === 0 || known.some(([wrapped]) => values.has(wrapped))) return undefined;
      for (const [wrapped, value] of known) values.set(wrapped, coerce(value, typeOf(wrapped)));
    }
  }
  return values;
}

function coerce(value: PythonValue, type: unknown): PythonValue {
  if (type === "string") return typeof value === "string" ? value : pythonJsonDumps(value);
  if (typeof value !== "string") return value;
  const guessed = guess(value);
  return guessed === undefined ? value : guessed;
}

/** JSON or a Python literal; undefined is neither. */
function guess(text: string): PythonValue | undefined {
  const json = tryPythonJsonParse(text);
  return json.ok ? json.value : literalEval(text);
}

/** Every block from a start to the next end, with what it is. */
function* readBlocks(text: string, tools: readonly ToolSchema[]) {
  let at = 0;
  for (;;) {
    const start = text.indexOf(blockStart, at);
    const close = start < 0 ? -1 : text.indexOf(blockEnd, start + blockStart.length);
    if (close < 0) return start;
    at = close + blockEnd.length;
    yield { start, end: at, call: readCall(text.slice(start, at), tools) };
  }
}

function readAsVllm(original: string, tools: readonly ToolSchema[]): VllmReading {
  const repaired = new RepairedText(original);
  const { text } = repaired;
  const calls: FoundCall[] = [];
  for (const { start, end, call } of readBlocks(text, tools)) {
    if (!call.ok) continue;
    const raw = [repaired.original(start), repaired.original(end)] as const;
    calls.push({ name: call.name, arguments: pythonJsonDumps(call.arguments), raw });
  }
  if (calls.length > 0) return { content: null, calls };
  return { content: visible(text.includes(blockStart) ? pythonStrip(text) : text), calls };
}

/** What follows the last end of thinking, if anything does. */
function visible(text: string): string {
  const end = text.lastIndexOf("</think>");
  return end < 0 ? text : pythonStripStart(text.slice(end + "</think>".length)) || text;
}

function readStrictly({ text: original, tools, thinking }: StrictInput): StrictReading {
  const repaired = new RepairedText(original);
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  for (const { start, end, call } of readBlocks(repaired.text, tools)) {
    const raw = [repaired.original(start), repaired.original(end)] as const;
    if (isInside(thinking, raw[0])) continue;
    if (call.ok) calls.push({ name: call.name, arguments: pythonJsonDumps(call.arguments), raw });
    else errors.push({ reason: call.reason, raw });
  }
  return { calls, errors };
}

function format({ content, toolCalls }: FormattableCompletion): string {
  const calls = toolCalls.map(({ name, arguments: text }) => {
    const parameters = plainArguments(text).map(
      ([key, value]) =>
        `<param name="${key}">${/[<>&]/.test(value) ? `<![CDATA[${value}]]>` : value}</param>`,
    );
    return `<function name="${name}">${parameters.join("")}</function>`;
  });
  return afterContent(content, calls.join("\n"));
}

export const minicpm5Parser = defineParser({
  name: "minicpm5",
  models: "MiniCPM5",
  limits: [
    "Content beside calls is lost as vLLM reads it.",
    "Calls count only for tools that are given, with their required parameters.",
    "A string must be declared as one, or it is read as JSON or Python; it can hold neither ]]>, </param> nor </function>.",
  ],
  readAsVllm,
  readStrictly,
  format,
});
