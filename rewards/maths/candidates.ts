/**
 * Finds the places of a text where an answer may stand, best first: boxes and "the final answer is …", then
 * what follows "answer", then any formula or number from the end. Time is linear in the text.
 */
import { stripThinking } from "../final-answer.ts";
import { findBoxes } from "./boxes.ts";

export type Candidate = {
  text: string;
  start: number;
  end: number;
  /** Numbers and arithmetic in prose, where a comma between digits is a decimal one. */
  isPlain: boolean;
};

/** More text than that is searched at its end only. */
const maxSearched = 200_000;
const maxWhole = 400;
const maxTried = 12;

/** Candidates in the order in which they are to be read. */
export function findCandidates(text: string): Candidate[] {
  const visible = stripThinking(text).trim() === "" ? text : stripThinking(text);
  const searched = visible.slice(-maxSearched);
  const boxes = findBoxes(searched);
  const spans = findFormulas(searched);
  const final = findFinal(searched, spans);
  if (boxes !== null) return final !== null && final.start > boxes.end ? [final, boxes] : [boxes];
  if (final !== null) return [final, ...fromTheEnd(spans)];
  const whole = wholeText(searched);
  const announced = findAnnounced(searched, spans);
  return [
    ...(whole === null ? [] : [whole]),
    ...(announced === null ? [] : [announced]),
    ...fromTheEnd(spans),
  ];
}

function fromTheEnd(spans: readonly Candidate[]): Candidate[] {
  return spans.slice(-maxTried).reverse();
}

/** A short text that is maths from beginning to end, without `$`. */
function wholeText(text: string): Candidate | null {
  const trimmed = text.trim().replace(/^\*\*(.*)\*\*$/s, "$1");
  if (trimmed === "" || trimmed.length > maxWhole || /[\n$]|\\[[(]/.test(trimmed)) return null;
  if (hasProse(trimmed)) return null;
  return { text: trimmed, start: 0, end: text.length, isPlain: true };
}

/** Words of a sentence, as opposed to names, functions and units. */
function hasProse(text: string): boolean {
  const bare = text.replace(/\\[A-Za-z]+\s*\{[A-Za-z ,.']*\}/g, " ").replace(/\\[A-Za-z]+/g, " ");
  const words = bare.match(/[A-Za-z]{2,}/g) ?? [];
  return (
    words.filter((word) => !mathsWords.test(word)).length > 1 ||
    /[A-Za-z]{2,}\s+\d|:\s*\S*\s*\d[^:]*[A-Za-z]{2,}/.test(
      bare.replace(/\b(?:and|or|sqrt|sin|cos|tan|log|ln)\b/g, ""),
    )
  );
}

const mathsWords =
  /^(?:and|or|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi|inf|infinity|oo|arcsin|arccos|arctan|percent|pct|percentage|gcd|lcm|[A-Z]{2}|[a-z]{2})$/;

const percentWord = String.raw`(?:\s*(?:\\?%|percent(?:age)?\b|pct\b))?`;
const joint = String.raw`\s*(?:,?\s*and|,?\s*or|,)\s*`;
const formula = String.raw`\$\$(?:[^$]|\\\$){1,3000}?\$\$|(?<![\\\d])\$(?:\\\$|[^\n$]){1,3000}?(?<!\\)\$|\\\[[^]{1,3000}?\\\]|\\\([^\n]{1,3000}?\\\)`;
const number = String.raw`(?<![\w.\\{}^])[-−+]?(?:\(?[-−]?[$€£¥₹]?\d[\d.,\s+\-*×/^()÷]*[+\-*×/^÷][\d.,\s+\-*×/^()÷]*[\d)!]|[$€£¥₹]?(?:\d{1,3}(?:[ ,]\d{3})+(?!\d)(?:\.\d+)?|\d+[.,]\d+|\.\d+|\d+))`;
const scanner = new RegExp(
  String.raw`(?<latex>(?:${formula})${percentWord}(?:${joint}(?:${formula})${percentWord}){0,8})|(?<fraction>-?\\[dt]?frac\{-?\d+\}\{-?\d+\})|(?<broken>\$[ \t]*\n[^$]{0,200}\$|\\\([ \t]*\n[^$]{0,200}?\\\))|(?<plain>${number}${percentWord})`,
  "g",
);

/** Every formula and plain number in order. */
function findFormulas(text: string): Candidate[] {
  const found: Candidate[] = [];
  for (const match of text.matchAll(scanner)) {
    const { latex, fraction, plain } = match.groups ?? {};
    const start = match.index;
    const end = start + match[0].length;
    if (latex !== undefined) found.push({ text: withoutDelimiters(latex), start, end, isPlain: false });
    else if (fraction !== undefined) found.push({ text: fraction, start, end, isPlain: false });
    else if (plain !== undefined) found.push({ text: plain, start, end, isPlain: true });
  }
  return found;
}

/** `$1$, $2$ and $3$` becomes one list. */
function withoutDelimiters(latex: string): string {
  return latex
    .replace(/\\[[\](){}](?<=\\[[\]()])/g, " ")
    .replace(/(?<!\\)\$+/g, " ")
    .trim();
}

/** "The final answer is X. I hope it is correct" counts as much as a box. */
function findFinal(text: string, spans: readonly Candidate[]): Candidate | null {
  return findBehind(text, spans, /final\s+answer\s+is:?\s*\**["“]?\s*$/i, 40);
}

function findAnnounced(text: string, spans: readonly Candidate[]): Candidate | null {
  return (
    findBehind(text, spans, /final answer[^\n]{0,100}?\sis:?\s*\**\s*$/i, 140) ??
    findBehind(text, spans, /answer\**:[^\n]{0,50}$/i, 60) ??
    findBehind(text, spans, /answer[^\n]{0,50}$/i, 60)
  );
}

/** The last candidate before which `introduction` stands with no other candidate in between. */
function findBehind(
  text: string,
  spans: readonly Candidate[],
  introduction: RegExp,
  reach: number,
): Candidate | null {
  for (let index = spans.length - 1; index >= 0; index--) {
    const span = spans[index];
    if (span === undefined) continue;
    const from = Math.max(spans[index - 1]?.end ?? 0, span.start - reach);
    if (introduction.test(text.slice(from, span.start))) return followEquals(text, spans, index) ?? span;
  }
  return null;
}

/** "answer: 2 + 3 = 5": what comes out. */
function followEquals(text: string, spans: readonly Candidate[], from: number): Candidate | undefined {
  let index = from;
  while (index + 1 < spans.length && /^\s*=\s*$/.test(text.slice(spans[index]?.end, spans[index + 1]?.start)))
    index++;
  return spans[index];
}
