import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findReplacements, type Strategy } from "../../../src/tools/patch/fuzzy-replace.ts";
import { applyEdits } from "../../../src/tools/patch/unified-diff.ts";

const replaced = (text: string, oldText: string, newText: string) => {
  const found = findReplacements(text, oldText, newText);
  return found === null
    ? null
    : { strategy: found.strategy, count: found.edits.length, text: applyEdits(text, found.edits) };
};

const code = `class A:
    def one(self):
        first = compute(1)
        second = compute(2)
        return first + second

    def two(self):
        return "two"
`;

describe("each strategy finds what the ones before it miss", () => {
  test.each<[Strategy, string, string, string, string]>([
    ["exact", code, "compute(2)", "compute(3)", code.replace("compute(2)", "compute(3)")],
    [
      "indentation-free",
      code,
      'def two(self):\n    return "two"',
      "def two(self):\n    if self:\n        return 2",
      code.replace('        return "two"', "        if self:\n            return 2"),
    ],
    ["indentation-free", "a:\n  b\n", "    a:\n      b", "    a:\n      c\n\n      d", "a:\n  c\n\n  d\n"],
    ["line-trimmed", "if x:\n\tgo()   \n\tend()\n", "if x:\n    go()\n  end()", "pass", "pass\n"],
    ["whitespace-collapsed", "x  =\t 1; y = 2\n", "x = 1; y", "z", "z = 2\n"],
    ["escape-normalised", 'say("a")\n\tgo()\n', 'say(\\"a\\")\\n\\tgo()', 'say(\\"b\\")\\n', 'say("b")\n\n'],
    ["trimmed-boundary", "  alpha beta\n  gamma\n", "\n\nalpha beta\ngamma\n\n", "\n\ndelta\n\n", "delta\n"],
    [
      "block-anchor",
      code,
      "    def one(self):\n        first = compute(1)\n        second = compute(two)\n        return first + second",
      "    def one(self):\n        return 3",
      code.replace(/ {8}first[\s\S]*second\n\n/, "        return 3\n\n"),
    ],
    [
      "context-similarity",
      code,
      "    def one(self)\n        first = compute(1)\n        second = compute(2)\n        return first + second",
      "    pass",
      code.replace(/ {4}def one[\s\S]*first \+ second/, "    pass"),
    ],
  ])("%s", (strategy, text, oldText, newText, expected) => {
    expect(replaced(text, oldText, newText)).toEqual({ strategy, count: 1, text: expected });
  });

  test.each<[string, string, string]>([
    ["text that isn't there", code, "def three(self):\n    return 3\n    # and more"],
    ["blank lines alone", "a\n\n\nb\n", "\n \n\t\n\n"],
    ["white space alone", "a b\n", "   "],
    ["an empty file", "", "a"],
    ["lines in another order", "one()\ntwo()\nthree()\nfour()\n", "four()\nthree()\ntwo()\none()"],
  ])("nothing finds %s", (_name, text, oldText) => {
    expect(replaced(text, oldText, "new")).toBe(null);
  });

  test("all places are found, none overlapping another", () => {
    expect(replaced("a a a", "a", "b")).toEqual({ strategy: "exact", count: 3, text: "b b b" });
    expect(replaced("aaa", "aa", "b")).toMatchObject({ count: 1 });
    expect(replaced("  x()\n\ty()\n\n  x()\n\ty()\n", "x()\ny()", "z()")).toMatchObject({
      strategy: "line-trimmed",
      count: 2,
    });
  });

  test("a line end that was quoted goes with the last line, and is not invented at the file's end", () => {
    expect(replaced("  a\n  b\n", "a\nb\n", "")?.text).toBe("");
    expect(replaced("  a\n  b", "a\nb\n", "c\n")?.text).toBe("  c");
    expect(replaced("  a\r\n  b\r\n", "a\r\nb", "c")?.text).toBe("  c\r\n");
  });
});

test("what is quoted exactly is replaced exactly, and nothing else", () => {
  const words = fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", "\t", "\\n", "{"), maxLength: 60 });
  fc.assert(
    fc.property(words, words, words, words, (before, quoted, after, newText) => {
      fc.pre(quoted !== "" && quoted !== newText);
      const text = before + quoted + after;
      const result = replaced(text, quoted, newText);
      expect(result?.strategy).toBe("exact");
      expect(result?.text).toBe(text.split(quoted).join(newText));
    }),
  );
});

test("whatever is quoted, edits are in order and inside the text", () => {
  const line = fc.constantFrom("a", " a", "\ta b", "", "  ", "a  b", "def f(x):", "  return x", "\\n", "b\r");
  const lines = (maxLength: number) => fc.array(line, { maxLength }).map((all) => all.join("\n"));
  fc.assert(
    fc.property(lines(30), lines(6), lines(4), (text, oldText, newText) => {
      fc.pre(oldText !== "");
      let end = 0;
      for (const edit of findReplacements(text, oldText, newText)?.edits ?? []) {
        expect(edit.start).toBeGreaterThanOrEqual(end);
        expect(edit.end).toBeGreaterThanOrEqual(edit.start);
        expect(edit.end).toBeLessThanOrEqual(text.length);
        end = edit.end;
      }
    }),
    { numRuns: 2000 },
  );
});

describe("sizes made to hurt end all the same", () => {
  const many = 50_000;
  test.each<[string, string, string]>([
    ["a needle that almost matches everywhere", "a".repeat(1_000_000), `b${"a".repeat(50_000)}`],
    ["equal lines, quoted with one that differs", "  x\n".repeat(many), `${"x\n".repeat(20_000)}y`],
    ["equal lines, otherwise indented", "  x\n".repeat(many), `${"x\n".repeat(3_000)}  x`],
    ["anchors everywhere", "}\nabc def\n".repeat(many / 2), `}\n${"other words\n".repeat(2_000)}}`],
    [
      "lines all alike",
      Array.from({ length: many }, (_, n) => `value_${n % 997} = ${n}`).join("\n"),
      Array.from({ length: 500 }, (_, n) => `value_${n} = x${n}`).join("\n"),
    ],
    ["blanks without end", " ".repeat(1_000_000), ` ${"\t ".repeat(50_000)}x`],
    ["long lines", `${"word ".repeat(100_000)}\n`.repeat(8), `${"ward ".repeat(100_000)}\n`.repeat(4)],
  ])("%s", (_name, text, oldText) => {
    findReplacements(text, oldText, "new");
  });
});
