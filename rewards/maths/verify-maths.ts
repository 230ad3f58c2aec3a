/**
 * `verifyMath`: whether a model's answer means the same as the gold one. Both are texts, from a bare "1/2" to
 * a whole solution in LaTeX. The defaults follow Math-Verify (docs/rewards.md says where, and where not).
 *
 * An answer is hostile input: it is never run, reading and evaluating it are bounded by counted steps, and
 * nothing here throws.
 */
import { type Candidate, findCandidates } from "./candidates.ts";
import { findChoice, isChoice, leadingChoice } from "./choices.ts";
import { Comparison } from "./compare.ts";
import { equalWords, isWords } from "./compare-words.ts";
import { type Expression, UnreadableMaths } from "./expression.ts";
import { parseAnswer } from "./parse-answer.ts";
import { parsePlain } from "./parse-plain.ts";
import { writeExpression } from "./write-expression.ts";

export type VerifyMathOptions = {
  /** Decimal places to which numbers written as decimals are compared. @default 6 */
  precision?: number;
  /** Whether the names of variables count; `false` also takes inequalities for the sets they describe. @default true */
  strict?: boolean;
  /** Whether an inequality may answer a gold set or interval. @default false */
  allowSetRelationComparison?: boolean;
};

export type MathVerdict = {
  equal: boolean;
  /** What was taken from the gold text, and how it was read; empty when there was nothing. */
  gold: string;
  answer: string;
  /** The reason in words. */
  why: string;
};

type Extracted = { text: string; expression: Expression | null; problem: string };

/** Steps of evaluation that one verdict may take: well under a second. */
const maxSteps = 4_000;

export function verifyMath(gold: string, answer: string, options: VerifyMathOptions = {}): MathVerdict {
  const expected = extract(gold) ?? extractWords(gold);
  if (expected === null) return { equal: false, gold: "", answer: "", why: "the gold text holds no answer" };
  const given =
    (isChoice(expected.text) ? extractChoice(answer) : null) ?? extract(answer) ?? extractWords(answer);
  const shown = { gold: show(expected), answer: given === null ? "" : show(given) };
  if (given === null) return { equal: false, ...shown, why: "the text holds no answer" };
  if (squeeze(expected.text) === squeeze(given.text))
    return { equal: true, ...shown, why: "both are written alike" };
  if (isWords(expected.text) && isWords(given.text) && equalWords(expected.text, given.text))
    return { equal: true, ...shown, why: "both are the same words" };
  if (expected.expression === null || given.expression === null) {
    const side = expected.expression === null ? `gold (${expected.problem})` : `answer (${given.problem})`;
    return {
      equal: false,
      ...shown,
      why: `they are written differently, and the ${side} can't be read as maths`,
    };
  }
  return { ...shown, ...compare(expected.expression, given.expression, options) };
}

function compare(
  gold: Expression,
  answer: Expression,
  options: VerifyMathOptions,
): { equal: boolean; why: string } {
  const { precision = 6, strict = true, allowSetRelationComparison = false } = options;
  try {
    const comparison = new Comparison({ precision, strict, allowSetRelationComparison, maxSteps });
    const equal = comparison.equal(gold, answer);
    return { equal, why: equal ? "both mean the same" : "they don't mean the same" };
  } catch (error) {
    if (!(error instanceof UnreadableMaths)) throw error;
    return { equal: false, why: `they can't be compared: ${error.message}` };
  }
}

/** The best candidate that can be read; the first one as mere text when none can. */
function extract(text: string): Extracted | null {
  let first: Extracted | null = null;
  for (const candidate of findCandidates(text)) {
    const extracted = read(candidate);
    if (extracted.expression !== null) return extracted;
    first ??= extracted;
  }
  return first;
}

function read(candidate: Candidate): Extracted {
  const { text } = candidate;
  try {
    return { text, expression: candidate.isPlain ? parsePlain(text) : parseAnswer(text), problem: "" };
  } catch (error) {
    if (!(error instanceof UnreadableMaths)) throw error;
    return {
      text,
      expression: candidate.isPlain ? lastNumber(text) : lastEquation(text),
      problem: error.message,
    };
  }
}

/** Of a chain that can't be read, what it ends in may still be readable: `A = \foo = 5`. */
function lastEquation(text: string): Expression | null {
  if (/[,;]/.test(text)) return null;
  const parts = text.slice(-400).split(/(?<![\\<>!])=/);
  try {
    return parts.length > 2 ? parseAnswer(parts.at(-1) ?? "") : null;
  } catch (error) {
    if (!(error instanceof UnreadableMaths)) throw error;
    return null;
  }
}

/** Of numbers side by side the last, unless they are a mixed number gone wrong: `4 4/0` is no answer. */
function lastNumber(text: string): Expression | null {
  if (/^\s*[-+]?[\d ]+ \d+\/\d+\D*$/.test(text)) return null;
  const last = /(?:^|\s)([-\d.,/]{1,100})\s*$/.exec(text.slice(-200))?.[1];
  try {
    return last === undefined || last === text ? null : parsePlain(last);
  } catch (error) {
    if (!(error instanceof UnreadableMaths)) throw error;
    return null;
  }
}

function extractChoice(answer: string): Extracted | null {
  const letter = findChoice(answer) ?? leadingChoice(extract(answer)?.text ?? "");
  return letter === null ? null : { text: letter, expression: { kind: "text", text: letter }, problem: "" };
}

function extractWords(text: string): Extracted | null {
  const words = /answer\s+is:?\s*\**([^\n.*]{1,100})/i.exec(text.slice(-2_000))?.[1] ?? text.trim();
  if (words === "" || words.length > 200) return null;
  return { text: words, expression: { kind: "text", text: words }, problem: "" };
}

function show({ text, expression }: Extracted): string {
  const written = text.trim().slice(0, 300);
  const read = expression === null ? "" : writeExpression(expression).slice(0, 300);
  return read === "" || squeeze(read) === squeeze(written) ? written : `${written} (read as ${read})`;
}

function squeeze(text: string): string {
  return text.replace(/\s+|[.,]\s*$/g, "");
}
