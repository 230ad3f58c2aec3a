/**
 * Reads V4A patches: files to add, update, delete and move, with hunks that are placed by their words, not by line
 * numbers. The grammar is strict where a guess could change a file wrongly, and says the line where it fails.
 */

export type HunkLine = { mark: " " | "-" | "+"; text: string };

export type Hunk = {
  /** What stood behind `@@`: lines to find first, one below the other. */
  anchors: string[];
  lines: HunkLine[];
  /** `*** End of File`: the hunk's lines are the file's last. */
  isAtEnd: boolean;
  /** Line of the patch, from 1. */
  patchLine: number;
};

export type PatchOperation =
  | { kind: "add"; path: string; text: string }
  | { kind: "delete"; path: string }
  | { kind: "move"; path: string; to: string }
  | { kind: "update"; path: string; to: string | null; hunks: Hunk[] };

export type ParsedPatch = { ok: true; operations: PatchOperation[] } | { ok: false; error: string };

const mostOperations = 200;
const mostHunks = 1_000;
const grammar =
  "A patch is: *** Begin Patch, then sections (*** Update File: PATH with @@ hunks of lines that start with ' ', '-' or '+'; " +
  "*** Add File: PATH with lines that start with '+'; *** Delete File: PATH; *** Move File: PATH -> NEW PATH), then *** End Patch.";

export function parsePatch(source: string): ParsedPatch {
  try {
    return { ok: true, operations: new PatchReader(source).read() };
  } catch (error) {
    if (!(error instanceof PatchProblem)) throw error;
    return { ok: false, error: `${error.message} ${grammar}` };
  }
}

class PatchProblem extends Error {}

class PatchReader {
  readonly #lines: readonly string[];
  #at = 0;
  #hunks = 0;

  constructor(source: string) {
    this.#lines = source.replace(/\r\n/g, "\n").replace(/\n$/, "").split("\n");
  }

  read(): PatchOperation[] {
    this.#skipBlank();
    if (/^\*\*\* Begin Patch\s*$/.test(this.#line())) this.#at += 1;
    const operations: PatchOperation[] = [];
    for (this.#skipBlank(); this.#at < this.#lines.length; this.#skipBlank()) {
      if (/^\*\*\* End Patch\s*$/.test(this.#line())) {
        this.#at += 1;
        this.#skipBlank();
        if (this.#at < this.#lines.length) throw this.#problem("nothing may follow *** End Patch");
        break;
      }
      operations.push(this.#section());
      if (operations.length > mostOperations) throw this.#problem(`at most ${mostOperations} files`);
    }
    if (operations.length === 0) throw this.#problem("no section *** Add, Update, Delete or Move File");
    return operations;
  }

  #section(): PatchOperation {
    const [, verb, path] = /^\*\*\* (Add|Update|Delete|Move) File: *(.+?)\s*$/.exec(this.#line()) ?? [];
    if (path === undefined) throw this.#problem("expected a line *** Add, Update, Delete or Move File: PATH");
    this.#at += 1;
    switch (verb) {
      case "Add":
        return { kind: "add", path, text: this.#addedText() };
      case "Delete":
        return { kind: "delete", path };
      case "Move": {
        const [, from, to] = /^(.+?) -> (.+)$/.exec(path) ?? [];
        if (from === undefined || to === undefined) {
          throw this.#problem("*** Move File: needs PATH -> NEW PATH", -1);
        }
        return { kind: "move", path: from, to };
      }
      default:
        return this.#update(path);
    }
  }

  #addedText(): string {
    const lines: string[] = [];
    for (; this.#isInSection(); this.#at++) {
      const line = this.#line();
      if (line.startsWith("+")) lines.push(line.slice(1));
      else if (line.trim() !== "") throw this.#problem("each line of an added file starts with '+'");
    }
    return lines.map((line) => `${line}\n`).join("");
  }

  #update(path: string): PatchOperation {
    const [, to] = /^\*\*\* Move to: *(.+?)\s*$/.exec(this.#line()) ?? [];
    if (to !== undefined) this.#at += 1;
    const hunks: Hunk[] = [];
    for (this.#skipBlank(); this.#isInSection(); this.#skipBlank()) hunks.push(this.#hunk());
    if (hunks.length === 0 && to === undefined) throw this.#problem(`*** Update File: ${path} has no hunk`);
    return { kind: "update", path, to: to ?? null, hunks };
  }

  #hunk(): Hunk {
    this.#hunks += 1;
    if (this.#hunks > mostHunks) throw this.#problem(`at most ${mostHunks} hunks`);
    const hunk: Hunk = { anchors: [], lines: [], isAtEnd: false, patchLine: this.#at + 1 };
    for (; this.#line().startsWith("@@"); this.#at++) {
      const anchor = this.#line()
        .slice(2)
        .replace(/\s*@@\s*$/, "")
        .trim();
      // The line numbers of a unified diff place nothing here.
      const words = anchor.replace(/^-\d+(,\d+)? \+\d+(,\d+)?( @@)?\s*/, "");
      if (words !== "") hunk.anchors.push(words);
    }
    for (; this.#isInSection() && !this.#line().startsWith("@@"); this.#at++) {
      const line = this.#line();
      const mark = line.charAt(0);
      if (mark === " " || mark === "-" || mark === "+") hunk.lines.push({ mark, text: line.slice(1) });
      else if (line === "") hunk.lines.push({ mark: " ", text: "" });
      else throw this.#problem("each line of a hunk starts with ' ' (kept), '-' (removed) or '+' (added)");
    }
    if (/^\*\*\* End of File\s*$/.test(this.#line())) {
      hunk.isAtEnd = true;
      this.#at += 1;
    }
    if (!hunk.isAtEnd) dropBlankTail(hunk.lines, this.#lines[this.#at - 1]);
    if (!hunk.lines.some(({ mark }) => mark !== " ")) {
      throw this.#problem("a hunk without any '-' or '+' line changes nothing", -1);
    }
    return hunk;
  }

  #isInSection(): boolean {
    return this.#at < this.#lines.length && !this.#line().startsWith("*** ");
  }

  #line(): string {
    return this.#lines[this.#at] ?? "";
  }

  #skipBlank(): void {
    while (this.#at < this.#lines.length && this.#line().trim() === "") this.#at += 1;
  }

  #problem(what: string, back = 0): PatchProblem {
    return new PatchProblem(
      `Line ${Math.min(this.#at + back, this.#lines.length - 1) + 1} of the patch: ${what}.`,
    );
  }
}

/** Blank lines between sections are written without the space of a kept line; they are no part of the hunk. */
function dropBlankTail(lines: HunkLine[], last: string | undefined): void {
  if (last !== "") return;
  while (lines.at(-1)?.mark === " " && lines.at(-1)?.text === "") lines.pop();
}
