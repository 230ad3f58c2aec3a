/**
 * Finds what a model meant by `old_string`. Models quote from memory: indentation, white space and escapes are the
 * first to go. The ways are tried from the strictest to the most forgiving, and the first that finds anything
 * decides, be it once or often: whether several finds are an error is the caller's to say.
 *
 * The two ways that compare lines by likeness want three lines at least, and a budget ends them; all others are
 * linear in the size of the file.
 */
import { ComparisonBudget, lineSimilarity } from "./line-similarity.ts";
import { internLines, occurrences } from "./occurrences.ts";
import { TextLines } from "./text-lines.ts";
import type { TextEdit } from "./unified-diff.ts";

export const strategies = [
  "exact",
  "indentation-free",
  "line-trimmed",
  "whitespace-collapsed",
  "escape-normalised",
  "trimmed-boundary",
  "block-anchor",
  "context-similarity",
] as const;
export type Strategy = (typeof strategies)[number];

export type Replacements = { strategy: Strategy; edits: TextEdit[] };

const budgetChars = 10_000_000;
/** Likeness that a block between equal first and last lines needs, and one without. */
const anchoredLikeness = 0.6;
const wholeLikeness = 0.85;
const fewestLikeLines = 3;

/** The edits that put `newText` wherever the first strategy that finds `oldText` finds it; null = none does. */
export function findReplacements(text: string, oldText: string, newText: string): Replacements | null {
  const file = new TextLines(text);
  const block = new Block(file, oldText, newText);
  const ways: Record<Strategy, () => TextEdit[]> = {
    exact: () => exactly(text, oldText, newText),
    "indentation-free": () => block.shifted(),
    "line-trimmed": () => block.trimmed(),
    "whitespace-collapsed": () => collapsed(text, oldText, newText),
    "escape-normalised": () => {
      const meant = unescaped(oldText);
      return meant === oldText ? [] : exactly(text, meant, unescaped(newText));
    },
    "trimmed-boundary": () => block.withoutBlankEnds(file)?.trimmed() ?? [],
    "block-anchor": () => block.anchored(),
    "context-similarity": () => block.alike(),
  };
  for (const strategy of strategies) {
    const edits = ways[strategy]();
    if (edits.length > 0) return { strategy, edits };
  }
  return null;
}

/** The line of `text` (from 1) that is most like the first line of `oldText` that has words; null = none is. */
export function likestLine(text: string, oldText: string): { number: number; line: string } | null {
  const wanted = oldText.split("\n").find((line) => line.trim() !== "");
  if (wanted === undefined) return null;
  const budget = new ComparisonBudget(budgetChars);
  let best: { number: number; line: string } | null = null;
  let bestLikeness = 0.5;
  for (const [index, line] of new TextLines(text).lines.entries()) {
    if (budget.isSpent) break;
    const likeness = lineSimilarity(line, wanted, budget);
    if (likeness > bestLikeness) [best, bestLikeness] = [{ number: index + 1, line }, likeness];
  }
  return best;
}

function exactly(text: string, oldText: string, newText: string): TextEdit[] {
  return occurrences(text, oldText).map((start) => ({ start, end: start + oldText.length, text: newText }));
}

/** Runs of blanks and tabs count as one. */
function collapsed(text: string, oldText: string, newText: string): TextEdit[] {
  const needle = collapse(oldText).text;
  if (needle.trim() === "") return [];
  const haystack = collapse(text);
  return occurrences(haystack.text, needle).map((at) => ({
    start: haystack.offsets[at] ?? 0,
    end: haystack.offsets[at + needle.length] ?? text.length,
    text: newText,
  }));
}

/** `offsets`: where each character, and the end, stands in the text as it was. */
function collapse(text: string): { text: string; offsets: Int32Array } {
  const offsets = new Int32Array(text.length + 1);
  const parts: string[] = [];
  let length = 0;
  for (const { 0: run, index } of text.matchAll(/[ \t]+|[^ \t]+/g)) {
    const isBlank = run.startsWith(" ") || run.startsWith("\t");
    const kept = isBlank ? 1 : run.length;
    for (let at = 0; at < kept; at++) offsets[length + at] = index + at;
    parts.push(isBlank ? " " : run);
    length += kept;
  }
  offsets[length] = text.length;
  return { text: parts.join(""), offsets };
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

/** One level of escapes taken off, as where JSON was written into JSON. */
function unescaped(text: string): string {
  return text.replace(/\\([ntr"'\\])/g, (_whole, letter: string) => escapes[letter] ?? letter);
}

/** `oldText` as whole lines to be found among the lines of the file. */
class Block {
  readonly #file: TextLines;
  readonly #lines: readonly string[];
  readonly #newText: string;
  /** Whether the line end behind the last line is replaced, too. */
  readonly #takesLineEnd: boolean;

  constructor(file: TextLines, oldText: string, newText: string) {
    this.#file = file;
    this.#lines = new TextLines(oldText).lines;
    this.#newText = newText;
    this.#takesLineEnd = oldText.endsWith("\n");
  }

  trimmed(): TextEdit[] {
    return this.#starts().map((start) => this.#edit(start, this.#newText));
  }

  /** All lines are as much more, or less, indented: so the new text is indented as the file is. */
  shifted(): TextEdit[] {
    const budget = new ComparisonBudget(budgetChars);
    return this.#starts().flatMap((start) => {
      budget.spend(this.#lines.length * 8);
      const shift = budget.isSpent ? null : this.#shiftAt(start);
      return shift === null ? [] : [this.#edit(start, shift(this.#newText))];
    });
  }

  /** null = no blank line stands at either end. */
  withoutBlankEnds(file: TextLines): Block | null {
    const first = this.#lines.findIndex((line) => line.trim() !== "");
    const last = this.#lines.findLastIndex((line) => line.trim() !== "");
    if (first < 0 || (first === 0 && last === this.#lines.length - 1)) return null;
    const below = this.#lines.length - 1 - last;
    const kept = this.#lines.slice(first, last + 1).join("\n");
    return new Block(file, kept, withoutBlankLines(this.#newText, { above: first, below }));
  }

  /** First and last line are there, as far apart; what is between is alike. */
  anchored(): TextEdit[] {
    const { length } = this.#lines;
    if (length < fewestLikeLines) return [];
    const { haystack, needle } = internLines(this.#file.lines, this.#lines, (line) => line.trim());
    const [first, last] = [needle[0] ?? -1, needle.at(-1) ?? -1];
    if (first < 0 || last < 0 || this.#lines[0]?.trim() === "") return [];
    return this.#likeBlocks(
      anchoredLikeness,
      (start) => haystack[start] === first && haystack[start + length - 1] === last,
    );
  }

  alike(): TextEdit[] {
    const spoken = this.#lines.filter((line) => line.trim() !== "").length;
    return spoken < fewestLikeLines ? [] : this.#likeBlocks(wholeLikeness, () => true);
  }

  /** Where the lines are, as far as white space around each goes. */
  #starts(): number[] {
    if (this.#lines.every((line) => line.trim() === "")) return [];
    const { haystack, needle } = internLines(this.#file.lines, this.#lines, (line) => line.trim());
    return occurrences(haystack, needle);
  }

  #likeBlocks(likeness: number, isCandidate: (start: number) => boolean): TextEdit[] {
    const budget = new ComparisonBudget(budgetChars);
    const { length } = this.#lines;
    const found: { start: number; likeness: number }[] = [];
    for (let start = 0; start + length <= this.#file.lines.length; start++) {
      if (!isCandidate(start)) continue;
      const here = this.#likenessAt(start, likeness, budget);
      if (budget.isSpent) return [];
      if (here < likeness) continue;
      const last = found.at(-1);
      if (last === undefined || start >= last.start + length) found.push({ start, likeness: here });
      else if (here > last.likeness) found[found.length - 1] = { start, likeness: here };
    }
    return found.map(({ start }) => this.#edit(start, this.#newText));
  }

  /** Stops, with 0, as soon as the block can't become alike enough. */
  #likenessAt(start: number, likeness: number, budget: ComparisonBudget): number {
    const { length } = this.#lines;
    let missing = 0;
    for (const [index, line] of this.#lines.entries()) {
      missing += 1 - lineSimilarity(this.#file.lines[start + index] ?? "", line, budget);
      if (missing > (1 - likeness) * length || budget.isSpent) return 0;
    }
    return 1 - missing / length;
  }

  /** null = the lines differ in more than one and the same indentation. */
  #shiftAt(start: number): ((text: string) => string) | null {
    const pairs = this.#lines.flatMap((line, index) =>
      line.trim() === ""
        ? []
        : [{ theirs: indentOf(this.#file.lines[start + index] ?? ""), ours: indentOf(line) }],
    );
    const [first] = pairs;
    if (first === undefined) return null;
    const { theirs: there, ours: here } = first;
    const more = there.slice(0, Math.max(0, there.length - here.length));
    const less = here.slice(0, Math.max(0, here.length - there.length));
    if (!pairs.every(({ theirs, ours }) => less + theirs === more + ours)) return null;
    return (text) =>
      eachLine(text, (line) => {
        if (line.trim() === "") return line;
        return more + (line.startsWith(less) ? line.slice(less.length) : line);
      });
  }

  #edit(start: number, text: string): TextEdit {
    const last = start + this.#lines.length - 1;
    const end = this.#file.endOf(last);
    if (!this.#takesLineEnd) {
      const hasReturn = this.#file.lines[last]?.endsWith("\r") === true && !text.endsWith("\r");
      return { start: this.#file.startOf(start), end: hasReturn ? end - 1 : end, text };
    }
    const hasLineEnd = end < this.#file.text.length;
    return {
      start: this.#file.startOf(start),
      end: hasLineEnd ? end + 1 : end,
      text: hasLineEnd ? text : text.replace(/\r?\n$/, ""),
    };
  }
}

function indentOf(line: string): string {
  return line.slice(0, line.length - line.trimStart().length);
}

function eachLine(text: string, change: (line: string) => string): string {
  return text.split("\n").map(change).join("\n");
}

/** As many blank lines less, where there are as many. */
function withoutBlankLines(text: string, { above, below }: { above: number; below: number }): string {
  const lines = text.replace(/\n$/, "").split("\n");
  for (let left = above; left > 0 && lines.length > 1 && lines[0]?.trim() === ""; left--) lines.shift();
  for (let left = below; left > 0 && lines.length > 1 && lines.at(-1)?.trim() === ""; left--) lines.pop();
  return lines.join("\n");
}
