/** Edits of a text, and what they change as a unified diff. The edits are known, so nothing has to be compared. */
import { TextLines } from "./text-lines.ts";

/** Replaces the characters from `start` up to `end`. */
export type TextEdit = { start: number; end: number; text: string };

const contextLines = 3;

/** `edits` in order, none overlapping another. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  const parts: string[] = [];
  let from = 0;
  for (const edit of edits) {
    parts.push(text.slice(from, edit.start), edit.text);
    from = edit.end;
  }
  return parts.join("") + text.slice(from);
}

/** Lines `from` up to `to` of the old text become `lines`, line ends included. */
type Change = { from: number; to: number; lines: string[] };

/** The diff of a file; null as a name = the file isn't there. "" where nothing changes. */
export function unifiedDiff(
  before: string,
  edits: readonly TextEdit[],
  names: { before: string | null; after: string | null },
): string {
  const old = new TextLines(before);
  const changes = changesOf(old, edits);
  if (changes.length === 0) return "";
  const header = [
    `--- ${names.before === null ? "/dev/null" : `a/${names.before}`}\n`,
    `+++ ${names.after === null ? "/dev/null" : `b/${names.after}`}\n`,
  ];
  let shift = 0;
  const hunks = groupsOf(changes).map((group) => {
    const hunk = hunkOf(old, group, shift);
    for (const { from, to, lines } of group) shift += lines.length - (to - from);
    return hunk;
  });
  return [...header, ...hunks].join("");
}

function changesOf(old: TextLines, edits: readonly TextEdit[]): Change[] {
  const changes: { from: number; to: number; edits: TextEdit[] }[] = [];
  for (const edit of edits) {
    const from = old.lineAt(edit.start);
    const last = changes.at(-1);
    const to = Math.max(endLine(old, edit), from);
    if (last !== undefined && from < last.to) {
      last.to = Math.max(last.to, to);
      last.edits.push(edit);
    } else changes.push({ from, to, edits: [edit] });
  }
  return changes.flatMap(({ from, to, edits: inside }) => {
    const start = old.startOf(from);
    const text = old.text.slice(start, old.startOf(to));
    const local = inside.map((edit) => ({ ...edit, start: edit.start - start, end: edit.end - start }));
    return withoutEqualEnds(old, { from, to, lines: withLineEnds(applyEdits(text, local)) });
  });
}

/** The line behind the last that the edit touches: the next one too where its line end went away. */
function endLine(old: TextLines, { start, end, text }: TextEdit): number {
  const line = old.lineAt(end);
  if (end > old.startOf(line)) return Math.min(line + 1, old.lines.length);
  const leadsIn = text === "" ? start === old.startOf(old.lineAt(start)) : text.endsWith("\n");
  return leadsIn ? line : Math.min(line + 1, old.lines.length);
}

function withoutEqualEnds(old: TextLines, { from, to, lines }: Change): Change[] {
  const before = withLineEnds(old.text.slice(old.startOf(from), old.startOf(to)));
  let head = 0;
  while (head < before.length && head < lines.length && before[head] === lines[head]) head += 1;
  let tail = 0;
  const shorter = Math.min(before.length, lines.length) - head;
  while (tail < shorter && before[before.length - 1 - tail] === lines[lines.length - 1 - tail]) tail += 1;
  const change = { from: from + head, to: to - tail, lines: lines.slice(head, lines.length - tail) };
  return change.from === change.to && change.lines.length === 0 ? [] : [change];
}

function withLineEnds(text: string): string[] {
  return text === "" ? [] : text.split(/(?<=\n)/);
}

/** Changes whose contexts touch stand in one hunk. */
function groupsOf(changes: readonly Change[]): Change[][] {
  const groups: Change[][] = [];
  for (const change of changes) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (group !== undefined && last !== undefined && change.from - last.to <= 2 * contextLines) {
      group.push(change);
    } else groups.push([change]);
  }
  return groups;
}

function hunkOf(old: TextLines, group: readonly Change[], shift: number): string {
  const first = Math.max(0, (group[0]?.from ?? 0) - contextLines);
  const end = Math.min(old.lines.length, (group.at(-1)?.to ?? 0) + contextLines);
  const rows: string[] = [];
  let newCount = 0;
  let at = first;
  const copy = (until: number) => {
    for (; at < until; at++, newCount++) rows.push(row(" ", oldLine(old, at)));
  };
  for (const { from, to, lines } of group) {
    copy(from);
    for (; at < to; at++) rows.push(row("-", oldLine(old, at)));
    for (const line of lines) rows.push(row("+", line));
    newCount += lines.length;
  }
  copy(end);
  const oldCount = end - first;
  return `@@ -${range(first, oldCount)} +${range(first + shift, newCount)} @@\n${rows.join("")}`;
}

function oldLine(old: TextLines, index: number): string {
  return old.text.slice(old.startOf(index), old.startOf(index + 1));
}

function row(mark: string, line: string): string {
  return line.endsWith("\n") ? `${mark}${line}` : `${mark}${line}\n\\ No newline at end of file\n`;
}

/** Of no lines, a range names the line before. */
function range(first: number, count: number): string {
  const start = count === 0 ? first : first + 1;
  return count === 1 ? `${start}` : `${start},${count}`;
}
