/** Both programs that may search give the same answers, to the letter: one table for the two. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import { searchFilesTool } from "../../src/tools/search-files-tool.ts";
import { plainBackend, rolloutContext } from "../support/rollout-context.ts";

let backend: SandboxBackend;
let context: EnvRolloutContext;

const files: Record<string, string> = {
  "a.py": "import os\n\ndef main():\n    pass\n",
  "a/x.py": "def x():\n    return 1\n",
  "a/deep/y.ts": "const y = 1;\n// def y\nlast line without end",
  "b:c 'd'.txt": "def in text\nDEF\n\tdef tab\n",
  ".hidden/z.py": "def hidden\n",
  ".env": "def secret\n",
  ".gitignore": "a/\n",
  "binary.bin": "def\0def\n",
  "latin1.txt": "caf\xe9 def\n",
  "unicode.txt": "der K\u00e4se def \u{1F9F5}\n",
  "crlf.txt": "def one\r\ntwo\r\n",
  "-dash.txt": "def dash\n",
  "numbers.txt": Array.from({ length: 120 }, (_, index) => `line ${index + 1}`).join("\n"),
  "long.txt": `def ${"x".repeat(9_000)}\n`,
};

beforeAll(async () => {
  backend = plainBackend();
  context = rolloutContext(backend);
  const sandbox = await context.sandbox();
  for (const [path, text] of Object.entries(files)) {
    const encoding = path.startsWith("latin1") ? "latin1" : "utf8";
    await sandbox.writeFile(path, Buffer.from(text, encoding), { signal: context.signal });
  }
  await sandbox.exec(
    { shell: "ln -s a.py link.py; ln -s a linked; mkdir empty; mkfifo pipe" },
    { timeoutMs: 10_000, signal: context.signal },
  );
});

afterAll(async () => {
  await context[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

type Answer = { ok: boolean; total_count: number; [key: string]: unknown };

const search = async (program: "ripgrep" | "grep", args: object): Promise<Answer> => {
  const result = await searchFilesTool({ program }).call(args, context);
  return { ok: result.ok, ...JSON.parse(result.content) };
};
const match = (path: string, line: number, content: string) => ({ path, line, content });

const hasRipgrep = await (async () => {
  await using own = plainBackend();
  await using probe = rolloutContext(own);
  const sandbox = await probe.sandbox();
  const { exitCode } = await sandbox.exec(
    { shell: "command -v rg" },
    { timeoutMs: 10_000, signal: probe.signal },
  );
  return exitCode === 0;
})();

describe.each(["ripgrep", "grep"] as const)("search_files by %s", (program) => {
  if (program === "ripgrep" && !hasRipgrep) {
    test.skip("skipped: rg (ripgrep) is not installed", () => {});
    return;
  }
  const everyDef = [
    match("-dash.txt", 1, "def dash"),
    match("a/deep/y.ts", 2, "// def y"),
    match("a/x.py", 1, "def x():"),
    match("a.py", 3, "def main():"),
    match("b:c 'd'.txt", 1, "def in text"),
    match("b:c 'd'.txt", 3, "\tdef tab"),
    match("crlf.txt", 1, "def one\r"),
    match("latin1.txt", 1, "caf\ufffd def"),
    match("long.txt", 1, `def ${"x".repeat(496)}`),
    match("unicode.txt", 1, "der K\u00e4se def \u{1F9F5}"),
  ];

  test.each<[string, object, object]>([
    ["every line, by path", { pattern: "def" }, { total_count: 10, matches: everyDef, truncated: false }],
    [
      "character classes and anchors",
      { pattern: "^\\s*def\\b.*\\(\\)" },
      { matches: [match("a/x.py", 1, "def x():"), match("a.py", 3, "def main():")] },
    ],
    [
      "flags in the pattern",
      { pattern: "(?i)^def$" },
      { total_count: 1, matches: [match("b:c 'd'.txt", 2, "DEF")] },
    ],
    ["letters beyond ASCII", { pattern: "Käse .*🧵" }, { total_count: 1 }],
    ["a pattern that starts with a dash", { pattern: "-+|//" }, { total_count: 1 }],
    ["nothing", { pattern: "nowhere at all" }, { total_count: 0, matches: [], truncated: false }],
    ["a directory below", { pattern: "def", path: "a" }, { total_count: 2, matches: everyDef.slice(1, 3) }],
    ["one file", { pattern: "def", path: "a.py" }, { matches: [everyDef[3]] }],
    ["one file, whatever the glob", { pattern: "def", path: "a.py", file_glob: "*.ts" }, { total_count: 1 }],
    ["a hidden file that is named", { pattern: "def", path: ".env" }, { total_count: 1 }],
    ["a hidden directory that is named", { pattern: "def", path: ".hidden" }, { total_count: 1 }],
    ["a link that is named", { pattern: "def", path: "linked" }, { total_count: 2 }],
    ["an empty directory", { pattern: "def", path: "empty" }, { total_count: 0 }],
    ["files of a name", { pattern: "def", file_glob: "*.py" }, { matches: everyDef.slice(2, 4) }],
    ["files of several names", { pattern: "def", file_glob: "*.{py,ts}" }, { matches: everyDef.slice(1, 4) }],
    ["files of a path", { pattern: "def", file_glob: "a/**/*.ts" }, { matches: [everyDef[1]] }],
    ["files of a directory", { pattern: "def", file_glob: "a/*" }, { matches: [everyDef[2]] }],
    ["all files but some", { pattern: "def", file_glob: "!*.txt" }, { matches: everyDef.slice(1, 4) }],
    ["files of a class of letters", { pattern: "def", file_glob: "[!a-c]*.txt" }, { total_count: 4 }],
    ["no hidden file by a glob", { pattern: "def", file_glob: ".e*" }, { total_count: 0 }],
    [
      "the first page, and that there is more",
      { pattern: "line", path: "numbers.txt", limit: 2 },
      {
        total_count: 120,
        matches: [match("numbers.txt", 1, "line 1"), match("numbers.txt", 2, "line 2")],
        truncated: true,
        hint: expect.stringContaining("118 more: go on with offset 2"),
      },
    ],
    [
      "the last page",
      { pattern: "line", path: "numbers.txt", limit: 50, offset: 119 },
      { total_count: 120, matches: [match("numbers.txt", 120, "line 120")], truncated: false },
    ],
    [
      "a page behind the last",
      { pattern: "line", path: "numbers.txt", offset: 500 },
      { matches: [], hint: expect.stringContaining("only 120") },
    ],
    [
      "lines around matches",
      { pattern: "line (1|3|120)$", path: "numbers.txt", context: 2 },
      {
        matches: [
          { ...match("numbers.txt", 1, "line 1"), before: [], after: ["line 2", "line 3"] },
          { ...match("numbers.txt", 3, "line 3"), before: ["line 1", "line 2"], after: ["line 4", "line 5"] },
          { ...match("numbers.txt", 120, "line 120"), before: ["line 118", "line 119"], after: [] },
        ],
      },
    ],
    [
      "files that have such lines",
      { pattern: "def", output_mode: "files_only", limit: 3 },
      { total_count: 9, files: ["-dash.txt", "a/deep/y.ts", "a/x.py"], truncated: true },
    ],
    [
      "how many each file has",
      { pattern: "def|line", output_mode: "count", offset: 4, limit: 2 },
      { total_count: 131, counts: { "b:c 'd'.txt": 2, "crlf.txt": 1 }, truncated: true },
    ],
    [
      "files by name",
      { pattern: "*.py", target: "files" },
      { total_count: 2, files: ["a/x.py", "a.py"], truncated: false },
    ],
    ["files by path", { pattern: "a/**", target: "files" }, { files: ["a/deep/y.ts", "a/x.py"] }],
    [
      "no file of that whole name",
      { pattern: "numbers", target: "files" },
      { files: [], hint: expect.stringContaining("*numbers*") },
    ],
  ])("finds %s", async (_name, args, expected) => {
    expect(await search(program, args)).toMatchObject({ ok: true, ...expected });
  });

  test("names files outside the workspace by their whole path", async () => {
    expect(await search(program, { pattern: "^root:", path: "/etc/passwd" })).toMatchObject({
      matches: [{ path: "/etc/passwd", line: 1 }],
    });
  });

  test.each<[string, object, RegExp]>([
    ["a pattern that is none", { pattern: "(" }, /The search failed: [\s\S]*(unclosed|parenthes)/i],
    ["a path that is not there", { pattern: "x", path: "nowhere" }, /there is no path .*nowhere/],
    ["a pipe", { pattern: "x", path: "pipe" }, /pipe is neither a regular file nor a directory/],
    ["a pattern over several lines", { pattern: "a\nb" }, /line by line/],
    ["a glob that is none", { pattern: "x", file_glob: "*.{py" }, /is no glob/],
    ["a negative offset", { pattern: "x", offset: -1 }, /Invalid arguments/],
  ])("says what is wrong with %s", async (_name, args, error) => {
    expect(await search(program, args)).toMatchObject({ ok: false, error: expect.stringMatching(error) });
  });
});
