/**
 * Finds the places of a text where an answer may stand, best first: boxes and "the final answer is …", then
 * what follows "answer", then any formula or number from the end. Time is linear in the text.
 */
import { stripThinking } from "../final-answer.ts";
import { findAnnouncedMaths } from "./announced.ts";
import { findBoxes } from "./boxes.ts";
import { hasProse } from "./prose.ts";

export type Candidate = {
  text: string;
  start: number;
  end: number;
  /** Numbers and arithmetic in prose, where a comma between digits is a decimal one. */
  isPlain: boolean;
};

/** More text than that is searched at its end only. */
const maxSearched = 50_000;
const maxWhole = 400;
const maxTried = 12;
/** How far behind an introduction a formula may end. */
const maxWindow = 4_000;

/** Candidates in the order in which they are to be read. */
export function findCandidates(text: string): Candidate[] {
  const visible = stripThinking(text).trim() === "" ? text : stripThinking(text);
  const searched = visible.slice(-maxSearched);
  const boxes = findBoxes(searched);
  const spans = findFormulas(searched);
  const final = findFinal(searched);
  if (boxes !== null) return final !== null && final.start > boxes.end ? [final, boxes] : [boxes];
  const maths = findAnnouncedMaths(searched);
  const isLater = maths !== null && maths.start >= (final?.start ?? 0);
  if (final !== null) return [...(isLater ? [maths] : []), final, ...fromTheEnd(spans)];
  const whole = wholeText(searched);
  const announced = findAnnounced(searched);
  return [
    ...(maths === null ? [] : [maths]),
    ...(whole === null ? [] : [whole]),
    ...(announced === null ? [] : [announced]),
    ...fromTheEnd(spans),
  ];
}

function fromTheEnd(spans: readonly Candidate[]): Candidate[] {
  return spans.slice(-maxTried).reverse();
}

/** What stands before the answer in `Answer: -12`, `**Result:** 5`, `A: 12`; `a:b` and `AB:CD` are ratios. */
const label =
  /^\*{0,2}(?:[A-Z]?[a-z]{3,20}(?:\s[a-z]{2,20}){0,2}|[A-Z]{3,20}|[A-Z](?=:\s{1,9}[-−+]?[\d.]))\s?(?::\*{0,2}|\*{2}:)\s{0,9}(?=\S)/;

/** A short text that is maths from beginning to end, without `$`. */
function wholeText(text: string): Candidate | null {
  const trimmed = text
    .trim()
    .replace(label, "")
    .replace(/^\*\*(.*)\*\*$/s, "$1");
  if (trimmed === "" || trimmed.length > maxWhole || /[\n$]|\\[[(]/.test(trimmed)) return null;
  if (hasProse(trimmed)) return null;
  return { text: trimmed, start: 0, end: text.length, isPlain: true };
}

const percentWord = String.raw`(?:\s{0,5}(?:\\?%|percent(?:age)?\b|pct\b))?`;
const joint = String.raw`\s{0,9}(?:,?\s{0,9}and|,?\s{0,9}or|,)\s{0,9}`;
const formula = String.raw`\$\$(?:[^$]|\\\$){1,1500}?\$\$|(?<![\\\d])\$(?:\\\$|[^\n$]){1,1500}?(?<!\\)\$|\\\[[^]{1,1500}?\\\]|\\\([^\n]{1,1500}?\\\)`;
const number = String.raw`(?<![\w.\\{}^])[-−+]?(?:(?:\d{1,9} ?)?[¼-¾⅐-⅞]|\(?[-−]?\\?[$€£¥₹]?\d(?=[\d., ()]{0,60}[+\-*×/^÷])[\d., +\-*×/^()÷]{0,200}[\d)!]|\\?[$€£¥₹]?(?:\d{1,3}(?:(?:[ ,]|\{,\}|,\\!)\d{3})+(?!\d)(?:\.\d+)?|\d+[.,]\d+|\.\d+|\d+))`;
const scanner = new RegExp(
  String.raw`(?<latex>(?:${formula})${percentWord}(?:${joint}(?:${formula})${percentWord}){0,8})|(?<fraction>-?\\[dt]?frac\{-?\d+\}\{-?\d+\})|(?<broken>\$[ \t]{0,9}\n[^$]{0,200}\$|\\\([ \t]{0,9}\n[^$]{0,200}?\\\))|(?<plain>${number}${percentWord})`,
  "g",
);

/** Every formula and plain number in order. */
function findFormulas(text: string): Candidate[] {
  return [...text.matchAll(scanner)].flatMap((match) => asCandidate(match) ?? []);
}

function asCandidate(match: RegExpExecArray): Candidate | null {
  const { latex, fraction, plain } = match.groups ?? {};
  const start = match.index;
  const end = start + match[0].length;
  if (latex !== undefined) return { text: withoutDelimiters(latex), start, end, isPlain: false };
  if (fraction !== undefined) return { text: fraction, start, end, isPlain: false };
  return plain === undefined ? null : { text: plain, start, end, isPlain: true };
}

/** `$1$, $2$ and $3$` becomes one list. */
function withoutDelimiters(latex: string): string {
  return latex
    .replace(/\\[[\](){}](?<=\\[[\]()])/g, " ")
    .replace(/(?<!\\)\$+/g, " ")
    .trim();
}

/** "The final answer is X" counts as much as a box when it comes last. */
function findFinal(text: string): Candidate | null {
  return findBehind(text, /final\s{1,9}answer\s{1,9}is:?\s{0,9}\*{0,2}["“]?\s{0,9}/gi, 0);
}

function findAnnounced(text: string): Candidate | null {
  return (
    findBehind(text, /final answer[^\n]{0,100}?\sis:?\s{0,9}\*{0,2}\s{0,9}(?=[$\d\\([+-])/gi, 0) ??
    findBehind(text, /answer\*{0,2}:/gi, 50) ??
    findBehind(text, /answer/gi, 50)
  );
}

/** The formula or number that stands at most `reach` characters behind the last introduction that has one. */
function findBehind(text: string, introduction: RegExp, reach: number): Candidate | null {
  const ends = text
    .matchAll(introduction)
    .map((match) => match.index + match[0].length)
    .toArray();
  for (const end of ends.slice(-maxTried).reverse()) {
    const found = nextFormula(text, end, reach);
    if (found !== null) return followEquals(text, found);
  }
  return null;
}

function nextFormula(text: string, from: number, reach: number): Candidate | null {
  const window = text.slice(from, from + maxWindow);
  const [match] = window.matchAll(scanner).take(1);
  if (match === undefined || match.index > reach) return null;
  const found = asCandidate(match);
  return found === null ? null : { ...found, start: from + found.start, end: from + found.end };
}

/** "answer: 2 + 3 = 5": what comes out. */
function followEquals(text: string, candidate: Candidate): Candidate {
  let current = candidate;
  for (let steps = 0; steps < 20; steps++) {
    const equals = /^\s*=\s*/.exec(text.slice(current.end, current.end + 20))?.[0];
    const next = equals === undefined ? null : nextFormula(text, current.end + equals.length, 0);
    if (next === null) break;
    current = next;
  }
  return current;
}
