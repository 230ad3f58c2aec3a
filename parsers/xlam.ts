/**
 * xLAM 2's format: a JSON list of calls, bare, in a Markdown code block, after `[TOOL_CALLS]` or in Hermes' tags,
 * after the thinking if there is any.
 */
import { type PythonValue, tryPythonJsonParse } from "../src/contracts/python-json.ts";
import {
  defineParser,
  type Span,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { callValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { itemReader, itemSpans, readListStrictly, readListsStrictly } from "./shared/json-lists.ts";
import { badEntry, listedCalls } from "./shared/listed-calls.ts";
import { isPythonSpace, pythonStrip } from "./shared/python-text.ts";
import { taggedBlocks } from "./shared/tagged-json.ts";
import { isInside } from "./shared/thinking-spans.ts";

const fence = "```";
const thinkEnd = "</think>";
const bracketTag = "[TOOL_CALLS]";
const wordTags = { start: "<tool_call>", end: "</tool_call>" };

export const xlamParser = defineParser({
  name: "xlam",
  models: "Salesforce xLAM 2",
  stream: { markers: [fence, "[", wordTags.start], content: "trimmed", strictOnly: true },
  readAsVllm,
  readStrictly,
  format: ({ content, toolCalls }) => {
    if (toolCalls.length === 0) return content ?? "";
    const literals = [fence, thinkEnd, bracketTag, wordTags.start, wordTags.end, "<think>"];
    const list = dumpJsonWithout(
      toolCalls.map((call) => callValue(call)),
      literals,
    );
    return content ? `${content}\n${fence}json\n${list}\n${fence}` : list;
  },
});

/** Where a candidate stands: the JSON, and what the block's removal takes away. */
type Candidate = { json: Span; block: Span };

function readAsVllm(text: string): VllmReading {
  const end = text.indexOf(thinkEnd);
  if (end >= 0) {
    const after = end + thinkEnd.length;
    const found = firstJson(text, after);
    if (found !== undefined) return toCalls(text, found, pythonStrip(text.slice(0, after)));
  }
  for (const find of [fenced, bracketed, worded]) {
    const candidates = find(text, 0);
    for (const { json } of candidates) {
      const read = tryPythonJsonParse(text.slice(...json));
      if (!read.ok) continue;
      const blocks = candidates.map(({ block }) => block);
      return toCalls(text, { value: read.value, from: json[0] }, pythonStrip(without(text, blocks)));
    }
  }
  if (pythonStrip(text).startsWith("[")) {
    const read = tryPythonJsonParse(text);
    if (read.ok) return toCalls(text, { value: read.value, from: 0 }, null);
    const reason = `The tool calls are no valid JSON: ${read.message}.`;
    const meant = text.includes("{") && text.includes("name") && text.includes("arguments");
    if (meant) return { content: text, calls: [], errors: [{ reason, raw: [0, text.length] }] };
  }
  return { content: text, calls: [] };
}

type FoundJson = { value: PythonValue; from: number };

/** The first JSON behind the thinking: all of it, else in a block. */
function firstJson(text: string, after: number): FoundJson | undefined {
  const rest = pythonStrip(text.slice(after));
  const read = tryPythonJsonParse(rest);
  if (read.ok) return { value: read.value, from: after };
  for (const find of [fenced, bracketed, worded]) {
    for (const { json } of find(text, after)) {
      const block = tryPythonJsonParse(text.slice(...json));
      if (block.ok) return { value: block.value, from: json[0] };
    }
  }
  return undefined;
}

function toCalls(text: string, { value, from }: FoundJson, content: string | null): VllmReading {
  if (!Array.isArray(value)) return { content: content || text, calls: [] };
  const calls = listedCalls(value, itemSpans(text, from));
  if (calls === undefined) {
    return { content: text, calls: [], errors: [{ reason: badEntry, raw: [from, text.length] }] };
  }
  return { content, calls };
}

function without(text: string, blocks: readonly Span[]): string {
  let left = "";
  let position = 0;
  for (const [start, end] of blocks) {
    left += text.slice(position, start);
    position = end;
  }
  return left + text.slice(position);
}

function fenced(text: string, from: number): Candidate[] {
  const found: Candidate[] = [];
  for (let start = text.indexOf(fence, from); start >= 0; ) {
    let json = start + fence.length;
    if (text.startsWith("json", json)) json += 4;
    while (isPythonSpace(text.charCodeAt(json))) json++;
    const end = text.indexOf(fence, json);
    if (end < 0) break;
    found.push({ json: [json, end], block: [start, end + fence.length] });
    start = text.indexOf(fence, end + fence.length);
  }
  return found;
}

function bracketed(text: string, from: number): Candidate[] {
  const found: Candidate[] = [];
  for (let start = text.indexOf(bracketTag, from); start >= 0; ) {
    const json = start + bracketTag.length;
    const newline = text.indexOf("\n", json);
    const end = newline < 0 ? text.length : newline;
    found.push({ json: [json, end], block: [start, end] });
    start = text.indexOf(bracketTag, end);
  }
  return found;
}

function worded(text: string, from: number): Candidate[] {
  const start = text.indexOf(wordTags.start, from);
  if (start < 0) return [];
  return taggedBlocks(text, wordTags)
    .filter(({ closed, raw }) => closed && raw[0] >= from)
    .map(({ body, raw }) => ({ json: body, block: raw }));
}

/** Code blocks without calls are text; a tag that announces calls must keep its word. */
function readStrictly(input: StrictInput): StrictReading {
  const { text, thinking } = input;
  const read = itemReader({});
  for (const { json, block } of fenced(text, 0)) {
    if (isInside(thinking, block[0]) || !looksLikeCalls(text, json[0])) continue;
    const { calls, errors, markup = [] } = readListStrictly(text.slice(0, json[1]), json[0], read);
    return { calls, errors, markup: [...markup, [block[0], json[0]], [json[1], block[1]]] };
  }
  for (const tags of [{ start: bracketTag }, wordTags]) {
    if (text.includes(tags.start)) return readListsStrictly(input, tags, read);
  }
  let start = thinking.at(-1)?.[1] ?? 0;
  while (isPythonSpace(text.charCodeAt(start))) start++;
  if (!looksLikeCalls(text, start)) return { calls: [], errors: [] };
  return readListStrictly(text, start, read);
}

function looksLikeCalls(text: string, start: number): boolean {
  return /^\[\s*\{\s*"(?:name|arguments)"/.test(text.slice(start, start + 500));
}
