/** Finds the last `\boxed{…}` of a text, and the boxes joined to it: `\boxed{1}` and `\boxed{-2}`. */
import type { Candidate } from "./candidates.ts";

type Box = { content: string; start: number; end: number };

const maxJoined = 20;
const maxUnclosed = 400;

export function findBoxes(text: string): Candidate | null {
  const boxes = allBoxes(text);
  const last = boxes.at(-1);
  if (last === undefined) return null;
  const joined = [last];
  for (let index = boxes.length - 2; index >= 0 && joined.length < maxJoined; index--) {
    const box = boxes[index];
    const next = joined[0];
    if (box === undefined || next === undefined || !isJoint(text.slice(box.end, next.start))) break;
    joined.unshift(box);
  }
  const suffix = /^[\s}$]*(?:\\[)\]])?\s*(?:\\?%|percent(?:age)?\b|pct\b)/i.test(
    text.slice(last.end, last.end + 20),
  )
    ? "\\%"
    : "";
  const content = joined.map((box) => box.content.replace(/(?<!\\)\$/g, " ")).join(" ; ") + suffix;
  return { text: content, start: joined[0]?.start ?? last.start, end: last.end, isPlain: false };
}

/** What may stand between boxes that are one answer: commas, "and", "or", or nothing within one formula. */
function isJoint(between: string): boolean {
  if (between.length > 60) return false;
  if (/^\s*$/.test(between)) return !/\n/.test(between) && between === "";
  const words = between
    .replace(/\\(?:quad|qquad|,|;|\s)/g, " ")
    .replace(/\\text\s*\{([^{}]*)\}/g, " $1 ")
    .replace(/\\[()[\]]|\$/g, " ");
  if (/^[\s,;]*(?:and|or|,|;)[\s,;]*(?:and|or)?[\s,;]*$/i.test(words)) return true;
  return /\\text/.test(between) && /\b(?:and|or)\s*$/i.test(words) && !/[$.]/.test(between);
}

/** Boxes in order, found with one pass over the braces; of nested ones the outer. */
function allBoxes(text: string): Box[] {
  const openers = new Map<number, number>();
  const boxes: Box[] = [];
  let lastOpener: { start: number; brace: number } | null = null;
  for (const match of text.matchAll(/\\{1,2}(?:boxed|fbox)\s{0,9}(\{|[-\d.]+|\\?[A-Za-z])/g)) {
    if (match[1] === "{") {
      const brace = match.index + match[0].length - 1;
      openers.set(brace, match.index);
      lastOpener = { start: match.index, brace };
    } else boxes.push({ content: match[1] ?? "", start: match.index, end: match.index + match[0].length });
  }
  const open: number[] = [];
  for (const match of openers.size === 0 ? [] : text.matchAll(/\\[{}]|[{}]/g)) {
    if (match[0] === "{") open.push(match.index);
    else if (match[0] === "}") {
      const brace = open.pop();
      const start = brace === undefined ? undefined : openers.get(brace);
      if (brace === undefined || start === undefined) continue;
      while ((boxes.at(-1)?.start ?? -1) > start) boxes.pop();
      boxes.push({ content: text.slice(brace + 1, match.index), start, end: match.index + 1 });
    }
  }
  boxes.sort((left, right) => left.start - right.start);
  return boxes.length === 0 && lastOpener !== null ? [unclosed(text, lastOpener)] : boxes;
}

/** A box whose brace is missing ends with its line. */
function unclosed(text: string, { start, brace }: { start: number; brace: number }): Box {
  const content = /^[^\n]*/.exec(text.slice(brace + 1, brace + 1 + maxUnclosed))?.[0] ?? "";
  return { content, start, end: brace + 1 + content.length };
}
