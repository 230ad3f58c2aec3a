/** Formats in which all calls stand in one JSON list between tags. */
import {
  type PythonJsonOptions,
  type PythonValue,
  rawDecode,
  skipWhitespace,
} from "../../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../../src/contracts/tool-call-parser.ts";
import type { FoundCall, FoundError, Span, StrictInput, StrictReading } from "./define-parser.ts";
import { afterContent, callValue, dumpJsonWithout } from "./format-calls.ts";
import type { JsonCall, JsonCallShape } from "./json-calls.ts";
import { jsonCall } from "./json-calls.ts";
import { TagScanner } from "./tag-scanner.ts";
import { isInside } from "./thinking-spans.ts";

export type ListItem = { value: PythonValue; span: Span };
export type WalkedList = {
  items: ListItem[];
  /** Behind the closing bracket; where reading stopped if there is a problem. */
  end: number;
  problem?: { message: string /** Where the item begins that could not be read. */; from: number };
};

/** Reads a JSON list item by item, so that each keeps its place and the good ones before a fault are not lost. */
export function walkJsonList(text: string, start: number, options?: PythonJsonOptions): WalkedList {
  const items: ListItem[] = [];
  let position = skipWhitespace(text, start + 1);
  if (text.charAt(position) === "]") return { items, end: position + 1 };
  for (;;) {
    const item = rawDecode(text, position, options);
    if (!item.ok) {
      return { items, end: item.reached, problem: { message: item.message, from: position } };
    }
    items.push({ value: item.value, span: [position, item.end] });
    const after = skipWhitespace(text, item.end);
    const character = text.charAt(after);
    if (character === "]") return { items, end: after + 1 };
    if (character !== ",") {
      return { items, end: after, problem: { message: "Expecting ',' delimiter", from: after } };
    }
    position = skipWhitespace(text, after + 1);
  }
}

/** Where the calls of a list stand that is known to be valid JSON and to begin at or after `from`. */
export function itemSpans(text: string, from: number): Span[] {
  return walkJsonList(text, text.indexOf("[", from)).items.map(({ span }) => span);
}

export type ListTags = { start: string; end?: string };

export type ReadItem = (value: PythonValue) => JsonCall;

export function itemReader(shape: JsonCallShape): ReadItem {
  return (value) => jsonCall(value, { ...shape, objectsOnly: true });
}

/** Strict reading of every list that follows a start tag: good calls of it are kept, bad ones reported. */
export function readListsStrictly(
  { text, thinking }: StrictInput,
  tags: ListTags,
  readItem: ReadItem,
  options?: PythonJsonOptions,
): StrictReading {
  const reading: Required<Pick<StrictReading, "calls" | "errors" | "markup">> = {
    calls: [],
    errors: [],
    markup: [],
  };
  const literals = tags.end === undefined ? [tags.start] : [tags.start, tags.end];
  const scanner = new TagScanner(text, literals);
  let position = 0;
  for (;;) {
    const start = scanner.next(position, [tags.start]);
    if (start === undefined) return reading;
    position = start.end;
    if (isInside(thinking, start.start)) continue;
    const open = skipWhitespace(text, start.end);
    const nextTag = (from: number) => scanner.next(from);
    if (text.charAt(open) !== "[" || text.startsWith(tags.start, open)) {
      const next = nextTag(open);
      position = next === undefined ? text.length : next.tag === tags.end ? next.end : next.start;
      reading.errors.push({
        reason: `Expected a JSON list of tool calls after ${tags.start}.`,
        raw: [start.start, position],
      });
      continue;
    }
    position = readList({ text, from: start.start, open, nextTag, tags, readItem, options }, reading);
  }
}

/** Strict reading of the one list that begins at `open`, with no tag before it. */
export function readListStrictly(text: string, open: number, readItem: ReadItem): StrictReading {
  const reading = { calls: [], errors: [], markup: [] };
  const nextTag = () => undefined;
  readList({ text, from: open, open, nextTag, tags: { start: "" }, readItem, options: undefined }, reading);
  return reading;
}

type ListReading = {
  text: string;
  /** Where the start tag stands, and the list's bracket. */
  from: number;
  open: number;
  nextTag: (from: number) => { tag: string; start: number; end: number } | undefined;
  tags: ListTags;
  readItem: ReadItem;
  options: PythonJsonOptions | undefined;
};

/** Adds one list's calls to the reading and answers where the text goes on. */
function readList(
  { text, from, open, nextTag, tags, readItem, options }: ListReading,
  reading: { calls: FoundCall[]; errors: FoundError[]; markup: Span[] },
): number {
  const list = walkJsonList(text, open, options);
  const kept: Span[] = [];
  for (const { value, span } of list.items) {
    const call = readItem(value);
    if (call.ok) reading.calls.push({ name: call.name, arguments: call.arguments, raw: span });
    else reading.errors.push({ reason: call.reason, raw: span });
    kept.push(span);
  }
  const next = nextTag(list.end);
  let end = list.end;
  if (list.problem !== undefined) {
    end = next?.start ?? text.length;
    const cut = next === undefined && list.end >= text.length ? " The text ends within it." : "";
    const raw: Span = [Math.min(list.problem.from, end), end];
    if (raw[0] < raw[1]) {
      reading.errors.push({
        reason: `The tool calls are no valid JSON: ${list.problem.message}.${cut}`,
        raw,
      });
      kept.push(raw);
    } else {
      reading.errors.push({ reason: `The list of tool calls is not closed.${cut}`, raw: [from, end] });
    }
  }
  const closing = skipWhitespace(text, end);
  if (next !== undefined && next.tag === tags.end && next.start === closing) end = next.end;
  let position = from;
  for (const [start, stop] of kept) {
    reading.markup.push([position, start]);
    position = stop;
  }
  reading.markup.push([position, end]);
  return end;
}

/** Tag, list, tag. */
export function formatList(
  { content, toolCalls }: FormattableCompletion,
  { start, end = "" }: ListTags,
  keys?: readonly [string, string],
): string {
  if (toolCalls.length === 0) return content ?? "";
  const list = dumpJsonWithout(
    toolCalls.map((call) => callValue(call, keys)),
    end === "" ? [start] : [start, end],
  );
  return afterContent(content, `${start}${list}${end}`);
}
