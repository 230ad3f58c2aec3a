/**
 * MiniMax M3: tags behind a namespace mark, parameters as elements of their own name, nested ones included:
 * `]<]minimax[>[<tool_call>]<]minimax[>[<invoke name="NAME">]<]minimax[>[<KEY>VALUE]<]minimax[>[</KEY>…`.
 * vLLM gives up on the whole text where one block is broken, and loses what follows the block.
 */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { type PythonDict, pythonJsonDumps } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import { type M3Body, type M3Element, m3Value } from "./minimax-m3-values.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { argumentEntries, plainValue } from "./shared/plain-arguments.ts";
import { propertySchema, toolProperties } from "./shared/schema-coercion.ts";
import { isInside } from "./shared/thinking-spans.ts";

const mark = "]<]minimax[>[";
const blockStart = `${mark}<tool_call>`;
const blockEnd = `${mark}</tool_call>`;
const invokeStart = `${mark}<invoke`;
const invokeEnd = `${mark}</invoke>`;
/** Deeper nesting is no model's honest output, and would cost the stack. */
const maxDepth = 200;

type Invoke = { call: FoundCall; end: number };

/** The call at `at`, which must be followed by nothing but good elements; a string says what is wrong. */
function readInvoke(text: string, at: number, tools: readonly ToolSchema[]): Invoke | string {
  const head = /\s+name=(?:"([^"]+)"|'([^']+)'|([^>]+))>/y;
  head.lastIndex = at + invokeStart.length;
  const opened = text.startsWith(invokeStart, at) ? head.exec(text) : null;
  if (opened === null) return `a call must begin with <invoke name="...">.`;
  const end = text.indexOf(invokeEnd, head.lastIndex);
  if (end < 0) return "the call has no </invoke>.";
  const name = (opened[1] ?? opened[2] ?? opened[3] ?? "").trim();
  const elements = new ElementReader(text, head.lastIndex, end).parameters();
  if (elements === undefined) return `the parameters of "${name}" are not well formed.`;
  const properties = toolProperties(tools, name);
  const values: PythonDict = new Map();
  for (const element of elements) {
    values.set(element.name, m3Value(element.body, propertySchema(properties, element.name)));
  }
  const written = pythonJsonDumps(values, { separators: [",", ":"] });
  return {
    call: { name, arguments: written, raw: [at, end + invokeEnd.length] },
    end: end + invokeEnd.length,
  };
}

class ElementReader {
  readonly #text: string;
  readonly #end: number;
  #at: number;

  constructor(text: string, start: number, end: number) {
    this.#text = text;
    this.#at = start;
    this.#end = end;
  }

  /** Words among the parameters end them; undefined: broken. */
  parameters(): M3Element[] | undefined {
    const elements: M3Element[] = [];
    for (;;) {
      while (this.#at < this.#end && /\s/.test(this.#text.charAt(this.#at))) this.#at++;
      if (this.#at >= this.#end || !this.#text.startsWith(mark, this.#at)) return elements;
      const element = this.#element(0);
      if (element === undefined) return undefined;
      elements.push(element);
    }
  }

  #element(depth: number): M3Element | undefined {
    const open = `${mark}<`;
    const close = this.#text.startsWith(open, this.#at)
      ? this.#text.indexOf(">", this.#at + open.length)
      : -1;
    if (close < 0 || close >= this.#end || depth > maxDepth) return undefined;
    const name = this.#text.slice(this.#at + open.length, close);
    if (name.startsWith("/") || name.trim() === "") return undefined;
    this.#at = close + 1;
    const body = this.#body(`${mark}</${name}>`, depth);
    return body === undefined ? undefined : { name, body };
  }

  #body(closing: string, depth: number): M3Body | undefined {
    const elements: M3Element[] = [];
    let words = "";
    for (;;) {
      const next = this.#text.indexOf(mark, this.#at);
      if (next < 0 || next >= this.#end) return undefined;
      words += this.#text.slice(this.#at, next);
      this.#at = next;
      if (this.#text.startsWith(closing, next)) break;
      const element = this.#element(depth + 1);
      if (element === undefined) return undefined;
      elements.push(element);
    }
    this.#at += closing.length;
    if (elements.length === 0) return words;
    if (words.trim() !== "") elements.push({ name: freeName(elements), body: words });
    return elements;
  }
}

/** Where words for a mixed element go. */
function freeName(elements: readonly M3Element[]): string {
  let name = "$text";
  while (elements.some((element) => element.name === name)) name = `$${name}`;
  return name;
}

function readAsVllm(text: string, tools: readonly ToolSchema[]): VllmReading {
  const start = text.indexOf(blockStart);
  const calls: FoundCall[] = [];
  let at = start < 0 ? -1 : skipSpace(text, start + blockStart.length);
  while (at >= 0 && at < text.length && !text.startsWith(blockEnd, at)) {
    const invoke = readInvoke(text, at, tools);
    if (typeof invoke === "string") return { content: text, calls: [] };
    calls.push(invoke.call);
    at = skipSpace(text, invoke.end);
  }
  if (calls.length === 0) return { content: text, calls };
  return { content: text.slice(0, start) || null, calls };
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (" \t\r\n".includes(text.charAt(at)) && at < text.length) at++;
  return at;
}

function readStrictly({ text, tools, thinking }: StrictInput): StrictReading {
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  const markup: Span[] = [];
  let at = 0;
  for (;;) {
    const next = text.indexOf(mark, at);
    if (next < 0) return { calls, errors, markup };
    at = next + mark.length;
    if (isInside(thinking, next)) continue;
    for (const tag of [blockStart, blockEnd])
      if (text.startsWith(tag, next)) markup.push([next, next + tag.length]);
    if (!text.startsWith(invokeStart, next)) continue;
    const invoke = readInvoke(text, next, tools);
    if (typeof invoke === "string") {
      const close = text.indexOf(invokeEnd, next);
      at = close < 0 ? text.length : close + invokeEnd.length;
      errors.push({ reason: `The tool call cannot be read: ${invoke}`, raw: [next, at] });
    } else {
      calls.push(invoke.call);
      at = invoke.end;
    }
  }
}

function format({ content, toolCalls }: FormattableCompletion): string {
  if (toolCalls.length === 0) return content ?? "";
  const calls = toolCalls.map(({ name, arguments: text }) => {
    const elements = argumentEntries(text).map(
      ([key, value]) => `${mark}<${key}>${plainValue(value)}${mark}</${key}>`,
    );
    return `${invokeStart} name="${name}">${elements.join("")}${invokeEnd}`;
  });
  return afterContent(content, `${blockStart}\n${calls.join("\n")}\n${blockEnd}`);
}

export const minimaxM3Parser = defineParser({
  name: "minimax_m3",
  aliases: ["minimax-m3"],
  models: "MiniMax M3",
  limits: [
    "Without the tool's schema every value is a string; integers have 64 bits.",
    `No value can hold ${mark}.`,
  ],
  stream: { markers: [mark], content: "trimmed" },
  readAsVllm,
  readStrictly,
  format,
});
