import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import {
  plainBackend,
  rolloutContext,
  toolCaller,
  walledBackend,
  walledBackendProblem,
} from "../support/rollout-context.ts";

const walledProblem = await walledBackendProblem();

describe.each<[string, () => SandboxBackend, string | null]>([
  ["plain processes", plainBackend, null],
  ["bubblewrap", walledBackend, walledProblem],
])("patch in %s", (_name, makeBackend, problem) => {
  if (problem !== null) {
    test.skip(`skipped: ${problem}`, () => {});
    return;
  }
  let backend: SandboxBackend;
  let context: EnvRolloutContext;
  let call: ReturnType<typeof toolCaller>;

  beforeAll(() => {
    backend = makeBackend();
    context = rolloutContext(backend);
    call = toolCaller(context);
  });
  afterAll(async () => {
    await context[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await shell(
      "rm -rf -- * .[!.]*; printf 'one\\ntwo\\nthree\\n' > f; mkdir d; printf 'a\\nb\\nc\\nd\\ne\\n' > d/g; chmod 750 f",
    );
  });

  const shell = async (command: string) => String((await call("terminal", { command })).output);
  const replace = (old_string: string, new_string: string, rest: object = {}) =>
    call("patch", { mode: "replace", path: "f", old_string, new_string, ...rest });
  const patch = (...lines: string[]) => call("patch", { mode: "patch", patch: lines.join("\n") });

  test("replaces text, keeps the mode, and shows the diff", async () => {
    expect(await replace("two", "2")).toEqual({
      ok: true,
      success: true,
      diff: "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n",
      files_modified: ["f"],
    });
    expect(await shell("cat f; stat -c %a f; ls -A")).toBe("one\n2\nthree\n750\nd\nf\n");
  });

  test("says by what way it found what was not quoted exactly", async () => {
    await shell("printf 'if x:\\n    go()\\n' > f");
    expect(await replace("if x:\n\tgo()", "stop()")).toMatchObject({
      ok: true,
      matched_by: "line-trimmed",
    });
  });

  test("changes one place, or all when told", async () => {
    await shell("printf 'x\\ny\\nx\\n' > f");
    expect(await replace("x", "z")).toEqual({
      ok: false,
      success: false,
      error: "old_string stands at 2 places of f (lines 1, 3).",
      hint: expect.stringContaining("replace_all"),
    });
    expect(await shell("cat f")).toBe("x\ny\nx\n");
    expect(await replace("x", "z", { replace_all: true })).toMatchObject({ ok: true, replacements: 2 });
    expect(await shell("cat f")).toBe("z\ny\nz\n");
  });

  test("keeps the line ends of a file that has \\r\\n", async () => {
    await shell("printf 'a\\r\\nb\\r\\nc\\r\\n' > f");
    expect(await replace("a\nb", "A\nX\nB")).toMatchObject({ ok: true });
    expect(await shell("od -c f | head -2")).toContain("A  \\r  \\n   X  \\r  \\n   B  \\r  \\n   c");
    expect(await patch("*** Update File: f", " X", "+Y", " B")).toMatchObject({ ok: true });
    expect(await shell("tr -d '\\r' < f; grep -c $'\\r' f")).toBe("A\nX\nY\nB\nc\n5\n");
  });

  test("writes through a link, and keeps it", async () => {
    await shell("ln -s f link");
    await call("patch", { mode: "replace", path: "link", old_string: "two", new_string: "2" });
    expect(await shell("cat f; readlink link")).toBe("one\n2\nthree\nf\n");
  });

  test.each<[string, object, RegExp]>([
    ["nothing like it", { old_string: "twoo words", new_string: "" }, /does not stand in f/],
    ["no file", { path: "nope", old_string: "a", new_string: "b" }, /There is no file nope/],
    ["a directory", { path: "d", old_string: "a", new_string: "b" }, /d is a directory/],
    ["an empty quote", { old_string: "", new_string: "b" }, /old_string is empty/],
    ["nothing to change", { old_string: "one", new_string: "one" }, /equal/],
    ["a missing argument", { old_string: "one" }, /needs path, old_string and new_string/],
    ["mode patch without one", { mode: "patch" }, /needs patch/],
  ])("says what is wrong with %s", async (_case, args, error) => {
    const result = await call("patch", { mode: "replace", path: "f", ...args });
    expect(result).toMatchObject({ ok: false, success: false, error: expect.stringMatching(error) });
  });

  test("refuses what is no text, or too much of it", async () => {
    await shell("printf 'a\\377' > f; head -c 6000000 /dev/zero | tr '\\0' x > huge");
    expect(await replace("a", "b")).toMatchObject({ ok: false, error: expect.stringContaining("UTF-8") });
    expect(
      await call("patch", { mode: "replace", path: "huge", old_string: "x", new_string: "y" }),
    ).toMatchObject({ ok: false, error: expect.stringContaining("5 MiB") });
  });

  test("a patch updates, adds, deletes and moves at once", async () => {
    await shell("echo gone > gone; echo moved > old");
    expect(
      await patch(
        "*** Begin Patch",
        "*** Update File: d/g",
        "@@ a",
        " b",
        "-c",
        "+C",
        "+CC",
        "@@",
        " d",
        "-e",
        "+E",
        "*** End of File",
        "*** Update File: f",
        "*** Move to: sub/f2",
        "-one",
        "+1",
        "*** Add File: new/deep/file",
        "+hello",
        "+",
        "+world",
        "*** Delete File: gone",
        "*** Move File: old -> renamed",
        "*** End Patch",
      ),
    ).toEqual({
      ok: true,
      success: true,
      diff: expect.stringContaining("-c\n+C\n+CC\n d\n-e\n+E\n"),
      files_modified: ["d/g"],
      files_created: ["sub/f2", "new/deep/file", "renamed"],
      files_deleted: ["f", "gone", "old"],
    });
    expect(await shell("find . -type f | sort; cat d/g sub/f2 new/deep/file renamed")).toBe(
      "./d/g\n./new/deep/file\n./renamed\n./sub/f2\na\nb\nC\nCC\nd\nE\n1\ntwo\nthree\nhello\n\nworld\nmoved\n",
    );
  });

  test.each<[string, string[], RegExp]>([
    ["a hunk that fits nowhere", ["*** Update File: f", "-four", "+4"], /line 4 of the patch.*"four"/],
    ["a hunk that fits twice", ["*** Update File: twice", "-x", "+y"], /2 places \(lines 1, 3\)/],
    ["an anchor that is not there", ["*** Update File: f", "@@ nowhere", "-two", "+2"], /"@@ nowhere"/],
    ["a file to add that exists", ["*** Add File: f", "+x"], /f exists/],
    ["a file to delete that does not", ["*** Delete File: nope"], /no file nope/],
    ["a move onto another file", ["*** Move File: f -> d/g"], /d\/g exists/],
    ["a line without a mark", ["*** Update File: f", "two"], /Line 4 of the patch.*\(kept\)/],
    ["a hunk that changes nothing", ["*** Update File: f", " two"], /changes nothing/],
    ["an unknown section", ["*** Rename File: f"], /expected a line/],
    ["a directory in the way of a file", ["*** Add File: f/below", "+x"], /f\/below|Not a directory|exists/],
    ["a file that may not be written", ["*** Add File: /proc/nope/x", "+x"], /Nothing was changed/],
  ])("changes nothing at all for %s", async (_case, lines, error) => {
    await shell("printf 'x\\ny\\nx\\n' > twice");
    const before = await shell("find . | sort; cat f d/g");
    const result = await patch("*** Add File: fresh/one", "+new", ...lines.slice(0, 1), ...lines.slice(1));
    expect(result).toMatchObject({ ok: false, success: false, error: expect.stringMatching(error) });
    expect(await shell("find . | sort; cat f d/g")).toBe(before);
  });

  test("an anchor tells equal places apart", async () => {
    await shell("printf 'def a\\n  x\\ndef b\\n  x\\n' > f");
    expect(await patch("*** Update File: f", "@@ def b", "-  x", "+  y")).toMatchObject({ ok: true });
    expect(await shell("cat f")).toBe("def a\n  x\ndef b\n  y\n");
    expect(await patch("*** Update File: f", "@@ def a", "+  first")).toMatchObject({ ok: true });
    expect(await shell("cat f")).toBe("def a\n  first\n  x\ndef b\n  y\n");
  });

  test("a file without a last line end stays so", async () => {
    await shell("printf 'a\\nb' > f");
    await patch("*** Update File: f", " a", "-b", "+c");
    expect(await shell("od -An -c f")).toMatch(/a {2}\\n {3}c\n$/);
    await patch("*** Update File: f", "+d", "*** End of File");
    expect(await shell("od -An -c f")).toMatch(/c {2}\\n {3}d\n$/);
  });
});
