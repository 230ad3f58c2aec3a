import fc from "fast-check";
import { expect, test } from "vitest";
import { occurrences } from "../../../src/tools/patch/occurrences.ts";
import { applyEdits, type TextEdit, unifiedDiff } from "../../../src/tools/patch/unified-diff.ts";

/** Applies a unified diff as strictly as can be: every line it names must be there. */
function applyDiff(before: string, diff: string): string {
  if (diff === "") return before;
  const rows = diff.split(/(?<=\n)/).slice(2);
  const old = before === "" ? [] : before.split(/(?<=\n)/);
  const out: string[] = [];
  let at = 0;
  for (const [index, row] of rows.entries()) {
    const header = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@\n$/.exec(row);
    if (header !== null) {
      const start = Number(header[1]) - (header[2] === "0" ? 0 : 1);
      out.push(...old.slice(at, start));
      at = start;
      expect(out.length).toBe(Number(header[3]) - (header[4] === "0" ? 0 : 1));
      continue;
    }
    if (row.startsWith("\\")) continue;
    const isOpen = rows[index + 1]?.startsWith("\\") === true;
    const line = isOpen ? row.slice(1, -1) : row.slice(1);
    if (row.startsWith("+")) out.push(line);
    else {
      expect(line).toBe(old[at]);
      at += 1;
      if (row.startsWith(" ")) out.push(line);
    }
  }
  return [...out, ...old.slice(at)].join("");
}

const text = fc
  .array(fc.constantFrom("a", "b", "\n", "\n", "c\n", "\r\n"), { maxLength: 60 })
  .map((parts) => parts.join(""));

test("a diff turns the old text into the new one, whatever the edits", () => {
  const cuts = fc.array(fc.tuple(fc.nat(80), fc.nat(80), fc.constantFrom("", "x", "x\n", "\ny", "b\nc\n")), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(text, cuts, (before, wanted) => {
      const edits: TextEdit[] = [];
      for (const [start, length, replacement] of wanted.toSorted(([a], [b]) => a - b)) {
        const from = Math.max(edits.at(-1)?.end ?? 0, Math.min(start, before.length));
        if (edits.length > 0 && from === edits.at(-1)?.end) continue;
        edits.push({ start: from, end: Math.min(before.length, from + (length % 9)), text: replacement });
      }
      const after = applyEdits(before, edits);
      const diff = unifiedDiff(before, edits, { before: "f", after: "f" });
      expect(applyDiff(before, diff)).toBe(after);
      expect(diff === "").toBe(before === after);
    }),
    { numRuns: 3000 },
  );
});

test("reads as diff -u writes it", () => {
  const before = Array.from({ length: 20 }, (_, index) => `line ${index + 1}\n`).join("");
  const at = (line: string) => before.indexOf(line);
  const edits = [
    { start: at("line 2\n"), end: at("line 3\n"), text: "two\n" },
    { start: at("line 18\n"), end: at("line 18\n"), text: "new\n" },
    { start: at("line 20\n"), end: before.length, text: "line 20" },
  ];
  expect(unifiedDiff(before, edits, { before: "dir/f", after: "dir/f" })).toBe(
    [
      "--- a/dir/f",
      "+++ b/dir/f",
      "@@ -1,5 +1,5 @@",
      " line 1",
      "-line 2",
      "+two",
      " line 3",
      " line 4",
      " line 5",
      "@@ -15,6 +15,7 @@",
      " line 15",
      " line 16",
      " line 17",
      "+new",
      " line 18",
      " line 19",
      "-line 20",
      "+line 20",
      "\\ No newline at end of file",
      "",
    ].join("\n"),
  );
});

test("occurrences are indexOf's, none overlapping", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 40 });
  fc.assert(
    fc.property(
      letters,
      fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 }),
      (hay, needle) => {
        const expected: number[] = [];
        for (let at = hay.indexOf(needle); at >= 0; at = hay.indexOf(needle, at + needle.length))
          expected.push(at);
        expect(occurrences(hay, needle)).toEqual(expected);
      },
    ),
  );
});
