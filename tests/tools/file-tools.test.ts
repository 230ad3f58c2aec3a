import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
])("file tools in %s", (_name, makeBackend, problem) => {
  if (problem !== null) {
    test.skip(`skipped: ${problem}`, () => {});
    return;
  }

  let backend: SandboxBackend;
  let context: EnvRolloutContext;
  let workspace: string;
  let call: ReturnType<typeof toolCaller>;
  const read = (path: string, rest: object = {}) => call("read_file", { path, ...rest });
  const write = (path: string, content: string) => call("write_file", { path, content });
  const shell = (command: string) => call("terminal", { command });

  beforeAll(async () => {
    backend = makeBackend();
    context = rolloutContext(backend);
    call = toolCaller(context);
    workspace = (await context.sandbox()).workspace;
  });

  afterAll(async () => {
    await context[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  });

  describe("write_file", () => {
    test("writes exactly the text, and says whether it made a directory", async () => {
      const content = "tab\t'quote' \"double\" $HOME `x` \\ \u{1F9F5}\nno line end";
      const bytes = Buffer.byteLength(content);
      expect(await write("deep/er/file name.txt", content)).toEqual({
        ok: true,
        bytes_written: bytes,
        dirs_created: true,
      });
      expect(await write("deep/er/other", "")).toEqual({ ok: true, bytes_written: 0, dirs_created: false });
      expect(
        Buffer.from(await (await context.sandbox()).readFile("deep/er/file name.txt", context)).toString(),
      ).toBe(content);
    });

    test("replaces what was there", async () => {
      await write("twice", "long text");
      await write("twice", "x");
      expect(await read("twice")).toMatchObject({ content: "     1|x", file_size: 1 });
    });

    test.each<[string, string, RegExp]>([
      ["a directory", "deep", /^deep could not be written: .*directory/is],
      ["a pipe, which nobody reads", "pipe", /^pipe could not be written: it is a pipe/],
      ["a path through a file", "twice/below", /could not be written: .*(Not a directory|exists)/is],
    ])("tells the model why it can't write %s", async (_case, path, problem) => {
      await write("deep/x", "x");
      await write("twice", "x");
      await shell("[ -p pipe ] || mkfifo pipe");
      expect(await write(path, "y")).toMatchObject({ ok: false, error: expect.stringMatching(problem) });
    });
  });

  describe("read_file", () => {
    test("numbers lines and tells the size", async () => {
      await write("lines", "one\ntwo\n\nfour\n");
      expect(await read("lines")).toEqual({
        ok: true,
        content: "     1|one\n     2|two\n     3|\n     4|four",
        total_lines: 4,
        file_size: 14,
        truncated: false,
      });
      expect(await read(`${workspace}/lines`, { offset: 4 })).toMatchObject({ content: "     4|four" });
    });

    test("pages with offset and limit, and says where to go on", async () => {
      await shell("seq 1 1000 > numbers");
      expect(await read("numbers", { offset: 10, limit: 2 })).toEqual({
        ok: true,
        content: "    10|10\n    11|11",
        total_lines: 1000,
        file_size: 3893,
        truncated: true,
        hint: "Go on with offset 12: the file has 1000 lines.",
      });
      expect(await read("numbers")).toMatchObject({
        truncated: true,
        hint: expect.stringContaining("offset 501"),
      });
      expect(await read("numbers", { offset: 1000 })).toMatchObject({
        content: "  1000|1000",
        truncated: false,
      });
      expect(await read("numbers", { offset: 1001 })).toMatchObject({
        ok: false,
        content: "",
        error: "The file has only 1000 lines.",
      });
    });

    test.each<[string, string, object]>([
      ["an empty file", ": > f", { content: "", total_lines: 0, file_size: 0, truncated: false }],
      [
        "a file without a last line end",
        "printf 'a\\nb' > f",
        { content: "     1|a\n     2|b", total_lines: 2 },
      ],
      ["a file of one line end", "echo > f", { content: "     1|", total_lines: 1 }],
      ["bytes that are no UTF-8", "printf 'a\\377\\n' > f", { content: "     1|a\ufffd", total_lines: 1 }],
      ["a symbolic link to a file", "echo target > t; ln -sf t f", { content: "     1|target" }],
    ])("reads %s", async (_case, command, expected) => {
      await shell(`rm -f f; ${command}`);
      expect(await read("f")).toMatchObject({ ok: true, ...expected });
    });

    test("cuts long lines, and pages that grow too long, at whole lines", async () => {
      await shell("head -c 1000000 /dev/zero | tr '\\0' x > wide; echo >> wide; echo end >> wide");
      const wide = await read("wide");
      expect(String(wide.content)).toMatch(/^ {5}1\|x{2000}\.\.\. \[line cut\]\n {5}2\|end$/);
      await shell("for i in $(seq 100); do head -c 1500 /dev/zero | tr '\\0' y; echo; done > many");
      const many = await read("many");
      const shown = String(many.content).split("\n");
      expect(String(many.content).length).toBeLessThanOrEqual(50_000);
      expect(many).toMatchObject({
        truncated: true,
        hint: expect.stringContaining(`offset ${shown.length + 1}:`),
      });
      expect(await read("many", { offset: shown.length + 1, limit: 1 })).toMatchObject({ ok: true });
    });

    test("costs no more than its page, however large the file", async () => {
      await shell("printf 'first\\n' > huge; seq 1 5000000 >> huge");
      expect(await read("huge", { limit: 1 })).toMatchObject({
        content: "     1|first",
        total_lines: 5_000_001,
      });
    });

    test.each<[string, string, object]>([
      [
        "a binary file",
        "head -c 100 /dev/zero > f",
        { is_binary: true, is_image: false, file_size: 100, error: expect.stringContaining("binary") },
      ],
      ["a directory", "mkdir f", { error: "f is a directory." }],
      ["a pipe", "mkfifo f", { error: "f is not a regular file." }],
      ["a broken link", "ln -s nowhere f", { error: "There is no file f." }],
    ])("refuses %s", async (_case, command, expected) => {
      await shell(`rm -rf f; ${command}`);
      expect(await read("f")).toMatchObject({ ok: false, ...expected });
      await shell("rm -rf f");
    });

    test("names files that may be meant where there is none", async () => {
      await shell("mkdir -p src; touch src/solution.py src/solver.py src/README.md src/-dash");
      expect(await read("src/solutoin.py")).toMatchObject({
        ok: false,
        error: "There is no file src/solutoin.py.",
        similar_files: ["src/solution.py"],
      });
      expect(await read("src/README")).toMatchObject({ similar_files: ["src/README.md"] });
      expect(await read("no/such/directory/x")).toEqual({
        ok: false,
        error: "There is no file no/such/directory/x.",
      });
      expect(await read("src/-dash")).toMatchObject({ ok: true, total_lines: 0 });
    });
  });
});
