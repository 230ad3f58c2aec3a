/**
 * Places the hunks of one file, from top to bottom. A hunk's kept and removed lines must stand in the file, word for
 * word, or but for white space at line ends, or around lines; where they stand more than once and no `@@` line says
 * which is meant, that is an error. Kept lines stay as the file has them.
 */
import { internLines, occurrences } from "./occurrences.ts";
import { TextLines } from "./text-lines.ts";
import type { TextEdit } from "./unified-diff.ts";
import type { Hunk } from "./v4a-patch.ts";

const normalisations: readonly ((line: string) => string)[] = [
  (line) => line.replace(/\r$/, ""),
  (line) => line.trimEnd(),
  (line) => line.trim(),
];

export type PlacedHunks = { ok: true; edits: TextEdit[] } | { ok: false; error: string };

export function placeHunks(text: string, hunks: readonly Hunk[]): PlacedHunks {
  const file = new TextLines(text);
  const edits: TextEdit[] = [];
  let from = 0;
  for (const hunk of hunks) {
    const place = placeHunk(file, hunk, from);
    if ("error" in place)
      return { ok: false, error: `The hunk at line ${hunk.patchLine} of the patch: ${place.error}` };
    edits.push(...editsOf(file, hunk, place.start));
    from = place.start + hunk.lines.filter(({ mark }) => mark !== "+").length;
  }
  return { ok: true, edits };
}

function placeHunk(file: TextLines, hunk: Hunk, first: number): { start: number } | { error: string } {
  let from = first;
  for (const anchor of hunk.anchors) {
    const at = findAnchor(file.lines, anchor, from);
    if (at < 0) return { error: `"@@ ${anchor}" names a line that the file doesn't have${below(from)}.` };
    from = at;
  }
  const wanted = hunk.lines.flatMap(({ mark, text }) => (mark === "+" ? [] : [text]));
  if (wanted.length === 0) {
    const isAnchored = hunk.anchors.length > 0 && !hunk.isAtEnd;
    return { start: isAnchored ? from + 1 : file.lines.length };
  }
  for (const normalise of normalisations) {
    const { haystack, needle } = internLines(file.lines, wanted, normalise);
    const found = occurrences(haystack, needle, from).filter(
      (start) => !hunk.isAtEnd || start + wanted.length === file.lines.length,
    );
    const [start] = found;
    if (start === undefined) continue;
    if (found.length > 1 && hunk.anchors.length === 0) {
      const places = found.slice(0, 5).map((line) => line + 1);
      return {
        error: `its lines stand at ${found.length} places (lines ${places.join(", ")}). Add kept lines around, or an @@ line above that names which is meant.`,
      };
    }
    return { start };
  }
  const where = hunk.isAtEnd ? " at the file's end" : below(from);
  const sample = (wanted.find((line) => line.trim() !== "") ?? "").slice(0, 200);
  return {
    error: `its kept and removed lines don't stand in the file${where}; they start with ${JSON.stringify(sample)}. Read the file and copy its lines.`,
  };
}

function below(from: number): string {
  return from === 0 ? "" : ` from line ${from + 1} on`;
}

/** The whole line first, then a part of one. */
function findAnchor(lines: readonly string[], anchor: string, from: number): number {
  const whole = lines.findIndex((line, index) => index >= from && line.trim() === anchor);
  return whole >= 0 ? whole : lines.findIndex((line, index) => index >= from && line.includes(anchor));
}

function editsOf(file: TextLines, { lines }: Hunk, start: number): TextEdit[] {
  const edits: TextEdit[] = [];
  let line = start;
  let index = 0;
  while (index < lines.length) {
    if (lines[index]?.mark === " ") {
      index += 1;
      line += 1;
      continue;
    }
    const added: string[] = [];
    const firstLine = line;
    for (; index < lines.length && lines[index]?.mark !== " "; index++) {
      if (lines[index]?.mark === "-") line += 1;
      else added.push(lines[index]?.text ?? "");
    }
    edits.push(lineEdit(file, { from: firstLine, to: line }, added));
  }
  return edits;
}

function lineEdit(
  file: TextLines,
  { from, to }: { from: number; to: number },
  added: readonly string[],
): TextEdit {
  const { lineEnd } = file;
  const isOpenEnd = to === file.lines.length && !file.endsInLineEnd;
  const text = added.map((line) => line + lineEnd).join("");
  if (!isOpenEnd) return { start: file.startOf(from), end: file.startOf(to), text };
  // The last line has no line end, and the new last one gets none.
  const open = text.slice(0, text.length - (added.length > 0 ? lineEnd.length : 0));
  if (from < to || added.length === 0)
    return { start: file.startOf(from), end: file.text.length, text: open };
  return { start: file.text.length, end: file.text.length, text: lineEnd + open };
}
