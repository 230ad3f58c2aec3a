/**
 * Finds maths without delimiters behind "the answer is": `The answer is 2√3.`, `Answer: x > 3`. A bare number, with
 * or without a unit, is left to those who look for numbers.
 */
import type { Candidate } from "./candidates.ts";
import { hasProse } from "./prose.ts";

const introduction = /answer\*{0,2}(?:\s{1,9}is\b:?|:)\s{0,9}\*{0,2}\s{0,9}/gi;
const sentenceEnd =
  /[.;?](?=\s|\*|$)|!(?=\s+[A-Z]|\*|$)|\s(?:because|since|as|so|where|when|which|for|if|not)\b|,\s(?=[A-Za-z]{3,})|\s\(\s?[A-Za-z]{3,}|["”*]/;
const onlyNumber = /^[\d\s.,+\-−*/×÷^=%()]*(?:[\d)%.]\s[A-Za-z ]{0,60})?$/;
const enclosed = /^(?:\([^()]*,[^()]*\)|\[[^[\]]*\]|\{[^{}]*\})$/;
/** A number with a variable, a sign or a function, or a relation: what a search for numbers would cut in pieces. */
const compound =
  /\d\s?(?:[√π°²³:]|sqrt|pi\b)|\d!\s?=|\d\s?[xX]\s?10\s?\^|\d[eE][+-]?\d|[+\-−]\s?\d*i(?![A-Za-z])|[a-zA-Z]\s?[\^²³<>=≤≥≠]|[√π∞∪±<>≤≥≠]|\b(?:sqrt|sin|cos|tan|log|ln|exp)\b|(?<![A-Za-z])\d*[abcknpqrtuvwxyz]\s?[+\-*/]|[+\-*/]\s?\d*[abcknpqrtuvwxyz](?![A-Za-z])|(?<![\w.])\d+[abcknpqrtuvwxyz](?![A-Za-z])|\d[\s,]+(?:and|or)\s+-?\d|^\{/;

/** What the last "answer is" of the text introduces, where that is more than a number; null otherwise. */
export function findAnnouncedMaths(text: string): Candidate | null {
  const last = text.matchAll(introduction).toArray().at(-1);
  if (last === undefined) return null;
  const start = last.index + last[0].length;
  const line = /^[^\n]{0,200}/.exec(text.slice(start, start + 200))?.[0] ?? "";
  if (/\$|\\[([]|\\boxed/.test(line)) return null;
  const cut = line.search(sentenceEnd);
  const maths = (cut < 0 ? line : line.slice(0, cut)).trim().replace(/[.,:]+$/, "");
  if (maths === "" || hasProse(maths)) return null;
  const isMore = enclosed.test(maths) || (!onlyNumber.test(maths) && compound.test(maths));
  return isMore
    ? { text: maths, start, end: start + line.indexOf(maths) + maths.length, isPlain: true }
    : null;
}
