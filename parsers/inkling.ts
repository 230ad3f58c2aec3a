/**
 * Inkling's typed blocks: text, thinking and tool calls in any order, each ended by `<|end_message|>`. A call is
 * `{"name": ..., "args": {...}}`; vLLM hands on the bytes of `args` and takes for the name the first `"name"` it sees.
 */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { type PythonDict, tryPythonJsonParse } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { callValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { dumpJson, readJsonCall } from "./shared/json-calls.ts";
import { isBlank, pythonStrip, pythonStripEnd } from "./shared/python-text.ts";
import { coerceArgumentsText } from "./shared/schema-coercion.ts";
import { TagScanner } from "./shared/tag-scanner.ts";

const messageStart = "<|message_model|>";
const textStart = "<|content_text|>";
const thinkingStart = "<|content_thinking|>";
const callStart = "<|content_invoke_tool_json|>";
const endMessage = "<|end_message|>";
const tags = [
  ...[messageStart, textStart, thinkingStart, callStart, endMessage],
  ...["<|content_invoke_tool_text|>", "<|content_tool_error|>", "<|content_model_end_sampling|>"],
] as const;
type Tag = (typeof tags)[number];

export const inklingParser = defineParser({
  name: "inkling",
  models: "Inkling",
  limits: ["Tool names with quotes in them; content with one of the format's tags in it."],
  stream: { markers: tags, content: "trimmed" },
  readAsVllm,
  readStrictly: ({ text }) => readStrictly(text),
  format: formatInkling,
});

type Block = { kind: "text" | "thinking" | "call"; body: Span; raw: Span };

/** The blocks that are more than headers. Tags that lead nowhere inside a block are text of it. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  const scanner = new TagScanner<Tag>(text, tags);
  let kind: Block["kind"] | "header" = "text";
  let bodyStart = 0;
  let blockStart = 0;
  let position = 0;
  const close = (end: number, rawEnd: number) => {
    if (kind === "header" || (kind !== "call" && bodyStart === end)) return;
    blocks.push({ kind, body: [bodyStart, end], raw: [blockStart, rawEnd] });
  };
  for (let tag = scanner.next(0); tag !== undefined; tag = scanner.next(position)) {
    position = tag.end;
    const next = nextKind(kind, tag.tag);
    if (next === undefined) continue;
    const ends = kind === "call" || next === "text";
    close(tag.start, ends && isEnd(tag.tag) ? tag.end : tag.start);
    kind = next;
    bodyStart = tag.end;
    blockStart = isEnd(tag.tag) ? tag.end : tag.start;
  }
  close(text.length, text.length);
  return blocks;
}

function isEnd(tag: Tag): boolean {
  return tag === endMessage || tag === "<|content_model_end_sampling|>";
}

/** What follows a tag; undefined where it is text of the block. */
function nextKind(kind: Block["kind"] | "header", tag: Tag): Block["kind"] | "header" | undefined {
  if (isEnd(tag)) return "text";
  if (kind === "call") return undefined;
  if (tag === callStart) return "call";
  if (tag === thinkingStart) return "thinking";
  if (kind === "thinking") return undefined;
  return tag === messageStart ? "header" : "text";
}

function readAsVllm(text: string, tools: readonly ToolSchema[]): VllmReading {
  const blocks = blocksOf(text);
  const calls = blocks
    .filter(({ kind }) => kind === "call")
    .flatMap(({ body, raw }) => nameCall(text.slice(...body), raw, tools));
  const firstCall = blocks.findIndex(({ kind }) => kind === "call");
  const before = joined(text, firstCall < 0 ? blocks : blocks.slice(0, firstCall), "text");
  const after = firstCall < 0 ? "" : joined(text, blocks.slice(firstCall), "text");
  const reasoning = pythonStripEnd(joined(text, blocks, "thinking")) || null;
  if (firstCall < 0) return { content: before || null, calls, reasoning };
  const kept = calls.length > 0 && isBlank(before) ? "" : before;
  return { content: isBlank(kept + after) ? null : kept + after, calls, reasoning };
}

function joined(text: string, blocks: readonly Block[], kind: Block["kind"]): string {
  return blocks
    .filter((block) => block.kind === kind)
    .map(({ body }) => text.slice(...body))
    .join("");
}

function nameCall(body: string, raw: Span, tools: readonly ToolSchema[]): FoundCall[] {
  const [, found = ""] = /"name"\s*:\s*"([^"]*)"/.exec(body) ?? [];
  const name = pythonStrip(found);
  if (name === "") return [];
  return [{ name, arguments: coerceArgumentsText(argumentsText(body), tools, name), raw }];
}

/** The bytes of the object `args`, perhaps cut off; `{}` without; another value in Python's spelling. */
function argumentsText(body: string): string {
  const start = argsStart(body);
  if (start === undefined) return "{}";
  if (body.charAt(start) === "{") return body.slice(start, objectEnd(body, start));
  const stripped = pythonStrip(body);
  const read = tryPythonJsonParse(stripped);
  if (!read.ok || !(read.value instanceof Map)) return stripped;
  const value = argsOf(read.value);
  return typeof value === "string" ? value : dumpJson(value);
}

function argsOf(call: PythonDict) {
  for (const key of ["args", "arguments", "parameters"]) {
    const value = call.get(key);
    if (value !== undefined) return value;
  }
  return new Map([...call].filter(([key]) => key !== "name"));
}

/** Where the value of the outermost key "args" begins. */
function argsStart(body: string): number | undefined {
  let depth = 0;
  let key = "";
  for (let position = 0; position < body.length; position++) {
    const character = body.charAt(position);
    if (character === '"') {
      const end = stringEnd(body, position);
      if (depth === 1) key = body.slice(position + 1, end);
      position = end;
    } else if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth--;
    else if (character === ":" && depth === 1 && key === "args") {
      let start = position + 1;
      while (/[ \t\r\n]/.test(body.charAt(start))) start++;
      return start < body.length ? start : undefined;
    }
  }
  return undefined;
}

/** The closing quote of a string, or the end of the text. */
function stringEnd(text: string, quote: number): number {
  let position = quote + 1;
  while (position < text.length && text.charAt(position) !== '"') {
    position += text.charAt(position) === "\\" ? 2 : 1;
  }
  return Math.min(position, text.length);
}

function objectEnd(body: string, start: number): number {
  let depth = 0;
  for (let position = start; position < body.length; position++) {
    const character = body.charAt(position);
    if (character === '"') position = stringEnd(body, position);
    else if (character === "{") depth++;
    else if (character === "}" && --depth === 0) return position + 1;
  }
  return body.length;
}

/** Broken calls stay in the content. */
function readStrictly(text: string): StrictReading {
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  const content: string[] = [];
  const blocks = blocksOf(text);
  for (const { kind, body, raw } of blocks) {
    if (kind === "text") content.push(text.slice(...body));
    if (kind !== "call") continue;
    const call = readJsonCall(pythonStrip(text.slice(...body)), {
      argumentKeys: ["args", "arguments", "parameters"],
      missingArguments: new Map(),
      objectsOnly: true,
    });
    if (call.ok) calls.push({ name: call.name, arguments: call.arguments, raw });
    else {
      errors.push({ reason: call.reason, raw });
      content.push(text.slice(...raw));
    }
  }
  const left = pythonStrip(content.join(""));
  const reasoning = pythonStripEnd(joined(text, blocks, "thinking")) || null;
  return { calls, errors, content: left || null, reasoning };
}

/** The prompt ends with the first block's `<|message_model|>`. */
function formatInkling({ content, toolCalls }: FormattableCompletion): string {
  const blocks = toolCalls.map((call) => {
    const json = dumpJsonWithout(callValue(call, ["name", "args"]), tags);
    return `${callStart}${json}${endMessage}`;
  });
  if (content) blocks.unshift(`${textStart}${content}${endMessage}`);
  return blocks.join(messageStart);
}
