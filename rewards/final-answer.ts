/**
 * Finds the number that a completion gives as its final answer. In this order:
 * the last closed `\boxed{…}`, the last `####` marker, the last number of the text; thinking is cut off
 * before. A box that holds several numbers is no answer (a guess at each would be rewarded); a box or
 * marker without any digit is passed over.
 *
 * Model text is hostile input: nothing here throws, and the time is linear in the text.
 */
import { findNumbers, type NumericLiteral } from "./numeric-literal.ts";
import { plainMaths } from "./plain-maths.ts";
import type { Rational } from "./rational.ts";

export function findFinalAnswer(completion: string): Rational | null {
  const text = stripThinking(completion);
  const box = findLastBox(text);
  if (box !== null && /\d/.test(box)) return readBox(box);
  const marked = findMarkedLine(text);
  if (marked !== null) return readMarkedLine(marked);
  return readLastNumber(plainMaths(text));
}

/** What stands after the last `</think>` and before a `<think>` that is never closed. */
export function stripThinking(text: string): string {
  let start = 0;
  let end = text.length;
  for (const tag of text.matchAll(/<(\/?)think(?:ing)?>/gi)) {
    if (tag[1] === "/") {
      start = tag.index + tag[0].length;
      end = text.length;
    } else if (end === text.length) {
      end = tag.index;
    }
  }
  return text.slice(start, end);
}

/** The content of the last `\boxed{…}` whose braces balance, or of the last `\boxed 18` without braces. */
function findLastBox(text: string): string | null {
  const openers = new Set<number>();
  let bare: { start: number; content: string } | null = null;
  for (const box of text.matchAll(/\\(?:boxed|fbox) ?(\{|[$\d-][^\s{}]{0,99})/g)) {
    if (box[1] === "{") openers.add(box.index + box[0].length - 1);
    else bare = { start: box.index, content: box[1] ?? "" };
  }
  const braced = findLastClosed(text, openers);
  if (braced === null) return bare?.content ?? null;
  return bare !== null && bare.start > braced.end ? bare.content : text.slice(braced.start + 1, braced.end);
}

/** Matches the braces of the whole text once, and returns the last pair that opens at one of `openers`. */
function findLastClosed(text: string, openers: ReadonlySet<number>): { start: number; end: number } | null {
  if (openers.size === 0) return null;
  const open: number[] = [];
  let last: { start: number; end: number } | null = null;
  for (const brace of text.matchAll(/\\[{}\\]|[{}]/g)) {
    if (brace[0] === "{") open.push(brace.index);
    if (brace[0] !== "}") continue;
    const start = open.pop();
    if (start !== undefined && openers.has(start) && start >= (last?.start ?? 0)) {
      last = { start, end: brace.index };
    }
  }
  return last;
}

/** The one number of a box; of an equation's right side, where there is one. */
function readBox(content: string): Rational | null {
  const text = plainMaths(content);
  const [only, another] = findNumbers(rightSide(text)).take(2).toArray();
  return only === undefined || another !== undefined ? null : only.value();
}

/**
 * The line of the last `####` that introduces an answer. Markdown headings of the fourth level look the
 * same ("#### Step 2: add", "#### 2. Add"): they are passed over.
 */
function findMarkedLine(text: string): string | null {
  const parts = text.split(/#{4,}/);
  for (let index = parts.length - 1; index > 0; index--) {
    const content = /^[*_` ]*(?:\r?\n)?([^\n]{0,1000})/.exec(parts[index] ?? "")?.[1] ?? "";
    const line = plainMaths(content).trim();
    const isHeading = /^\d{1,2}[.)] +\p{L}/u.test(line) && /(?:^|\n)[ \t]*$/.test(parts[index - 1] ?? "");
    if (!isHeading && introducesAnswer(line)) return line;
  }
  return null;
}

/** "18", "**$18**", "USD 18", "x = 18", "Answer: 18"; not "Step 2". */
function introducesAnswer(line: string): boolean {
  if (!/\d/.test(line)) return false;
  return (
    /^[^\p{L}\d]{0,6}(?:[A-Z]{2,3} ?)?[^\p{L}\d]{0,3}\d/u.test(line) ||
    /^\p{L}{1,12} ?=/u.test(line) ||
    /\banswer\b/i.test(line)
  );
}

/** "18 dollars", "$5 + $3 = $8", "the final answer is 18". */
function readMarkedLine(line: string): Rational | null {
  const isArithmetic = /^(?:[\d\s.,$€£()*x×·/÷+-]*|\p{L}{1,12} ?)=/u.test(line);
  const [first] = findNumbers(isArithmetic ? rightSide(line) : line).take(1);
  return first?.value() ?? null;
}

function readLastNumber(text: string): Rational | null {
  let last: NumericLiteral | null = null;
  for (const number of findNumbers(text)) last = number;
  return last?.value() ?? null;
}

function rightSide(text: string): string {
  const right = text.slice(Math.max(text.lastIndexOf("="), text.lastIndexOf("≈")) + 1);
  return /\d/.test(right) ? right : text;
}
