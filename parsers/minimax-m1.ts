/**
 * MiniMax M1, which vLLM no longer reads: `<tool_calls>\n{"name": …, "arguments": …}\n…\n</tool_calls>`, one JSON call
 * on each line. Blocks inside `<think>` are no calls, lines that are none are skipped.
 */
import { pythonJsonDumps, tryPythonJsonParse } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { afterContent, callValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { readJsonCall } from "./shared/json-calls.ts";
import { pythonStrip } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { isInside } from "./shared/thinking-spans.ts";

const blockStart = "<tool_calls>";
const blockEnd = "</tool_calls>";
const tags = [blockStart, blockEnd, "<think>", "</think>"] as const;

/** Blocks with their ends inside thinking that has an end too: vLLM takes them out before it reads. */
function blocksInThinking(text: string): Span[] {
  const scanner = new TagScanner(text, tags);
  const blocks: Span[] = [];
  let position = 0;
  for (;;) {
    const open = scanner.next(position, ["<think>"]);
    const close = open && scanner.next(open.end, ["</think>"]);
    if (open === undefined || close === undefined) return blocks;
    let from = open.end;
    for (;;) {
      const start = scanner.next(from, [blockStart]);
      const end = start && scanner.next(start.end, [blockEnd]);
      if (start === undefined || end === undefined || end.end > close.start) break;
      blocks.push([start.start, end.end]);
      from = end.end;
    }
    position = close.end;
  }
}

/** A text with pieces taken out, and where what is left had stood. */
class CutText {
  readonly text: string;
  readonly #cuts: readonly Span[];
  #passed = 0;
  #removed = 0;

  constructor(text: string, cuts: readonly Span[]) {
    this.#cuts = cuts;
    let left = "";
    let position = 0;
    for (const [start, end] of cuts) {
      left += text.slice(position, start);
      position = end;
    }
    this.text = left + text.slice(position);
  }

  /** Where a place of `text` stood before. Asked in ascending order. */
  original(position: number): number {
    for (;;) {
      const cut = this.#cuts[this.#passed];
      if (cut === undefined || position + this.#removed < cut[0]) return position + this.#removed;
      this.#removed += cut[1] - cut[0];
      this.#passed++;
    }
  }
}

/** The lines of every block. */
function* blockLines(text: string): Generator<Span> {
  const scanner = new TagScanner(text, tags);
  let position = 0;
  for (;;) {
    const start = scanner.next(position, [blockStart]);
    if (start === undefined) return;
    const end = scanner.next(start.end, [blockEnd]);
    const to = end?.start ?? text.length;
    let from = start.end;
    while (from < to) {
      const newline = text.indexOf("\n", from);
      const stop = newline < 0 ? to : Math.min(newline, to);
      yield trimmed(text, from, stop);
      from = stop + 1;
    }
    if (end === undefined) return;
    position = end.end;
  }
}

function trimmed(text: string, from: number, to: number): Span {
  const line = text.slice(from, to);
  const start = from + line.length - line.trimStart().length;
  return [start, start + line.trim().length];
}

function readAsVllm(whole: string): VllmReading {
  const cut = new CutText(whole, blocksInThinking(whole));
  const { text } = cut;
  const first = text.indexOf(blockStart);
  if (first < 0) return { content: whole, calls: [] };
  const calls: FoundCall[] = [];
  for (const [start, end] of blockLines(text)) {
    const line = text.slice(start, end);
    if (!line.startsWith("{") || !line.endsWith("}")) continue;
    const read = tryPythonJsonParse(line);
    if (!read.ok || !(read.value instanceof Map)) continue;
    const name = read.value.get("name");
    const value = read.value.get("arguments");
    if (name === undefined || value === undefined) continue;
    if (typeof name !== "string") return { content: whole, calls: [] };
    const raw: Span = [cut.original(start), cut.original(end - 1) + 1];
    calls.push({ name, arguments: pythonJsonDumps(value), raw });
  }
  return { content: contentBefore(whole, text.slice(0, first)), calls };
}

/** Up to where the last line before the calls that the whole text has too first stands in it. */
function contentBefore(whole: string, before: string): string | null {
  const lines = pythonStrip(before).split("\n").slice(-maxLines);
  for (const line of lines.reverse().map(pythonStrip)) {
    const place = line === "" ? -1 : whole.indexOf(line);
    if (place >= 0) return pythonStrip(whole.slice(0, place + line.length)) || null;
  }
  return null;
}

/** Only lines that lost a block to thinking are not found; each search costs a pass over the text. */
const maxLines = 20;

function readStrictly({ text, thinking }: StrictInput): StrictReading {
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  for (const raw of blockLines(text)) {
    const line = text.slice(...raw);
    if (line === "" || isInside(thinking, raw[0])) continue;
    const call = readJsonCall(line, { objectsOnly: true });
    if (call.ok) calls.push({ name: call.name, arguments: call.arguments, raw });
    else errors.push({ reason: call.reason, raw });
  }
  const markup: Span[] = [];
  for (const match of text.matchAll(/<\/?tool_calls>/g)) {
    if (!isInside(thinking, match.index) && calls.length > 0)
      markup.push([match.index, match.index + match[0].length]);
  }
  return { calls, errors, markup };
}

function format({ content, toolCalls }: FormattableCompletion): string {
  if (toolCalls.length === 0) return content ?? "";
  const lines = toolCalls.map((call) => dumpJsonWithout(callValue(call), tags));
  return afterContent(content, `${blockStart}\n${lines.join("\n")}\n${blockEnd}`);
}

export const minimaxParser = defineParser({
  name: "minimax",
  aliases: ["minimax_m1"],
  models: "MiniMax M1, MiniMax-Text-01",
  readAsVllm,
  readStrictly,
  format,
});
