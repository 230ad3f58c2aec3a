/**
 * Where a text thinks: from `<think>` to `</think>`, to the end if it is never closed, and from the start if the
 * template had opened it. Strict mode reads no calls there.
 */
import type { Span } from "./define-parser.ts";
import { TagScanner } from "./tag-scanner.ts";

const pairs: readonly (readonly [open: string, close: string])[] = [
  ["<think>", "</think>"],
  ["[THINK]", "[/THINK]"],
  ["<seed:think>", "</seed:think>"],
  ["<|channel>", "<channel|>"],
  ["<mm:think>", "</mm:think>"],
  ["<|START_THINKING|>", "<|END_THINKING|>"],
];
const closing = new Map(pairs);
const openings = pairs.map(([open]) => open);

export const thinkingTags: readonly string[] = pairs.flat();

/** Every tag has one of these in it: a text without thinking takes three searches, not one for each tag. */
const hints: readonly string[] = ["think", "THINK", "channel"];

export function thinkingSpans(text: string): Span[] {
  if (!hints.some((hint) => text.includes(hint))) return [];
  const scanner = new TagScanner(text, thinkingTags);
  const spans: Span[] = [];
  let position = 0;
  const first = scanner.next(0);
  if (first !== undefined && !closing.has(first.tag)) {
    spans.push([0, first.end]);
    position = first.end;
  }
  for (;;) {
    const open = scanner.next(position, openings);
    if (open === undefined) return spans;
    const close = closing.get(open.tag);
    const end = close === undefined ? undefined : scanner.next(open.end, [close])?.end;
    spans.push([open.start, end ?? text.length]);
    if (end === undefined) return spans;
    position = end;
  }
}

/** Answers whether a place is inside one of `spans`. */
export function isInside(spans: readonly Span[], position: number): boolean {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const [start, end] = spans[middle] ?? [0, 0];
    if (position < start) high = middle;
    else if (position >= end) low = middle + 1;
    else return true;
  }
  return false;
}
