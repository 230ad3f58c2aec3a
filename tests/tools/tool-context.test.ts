import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import { builtinTools } from "../../src/tools/builtin-tools.ts";
import { ToolContext } from "../../src/tools/tool-context.ts";
import { plainBackend, rolloutContext, toolCaller } from "../support/rollout-context.ts";

let backend: SandboxBackend;
let context: EnvRolloutContext;
let verifier: ToolContext;
let workspace: string;
let folder: string;

beforeAll(async () => {
  backend = plainBackend();
  context = rolloutContext(backend);
  verifier = new ToolContext({ context, tools: builtinTools() });
  workspace = (await context.sandbox()).workspace;
});
afterAll(async () => {
  await context[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tool-context-"));
  return () => rm(folder, { recursive: true });
});

const local = (name: string) => join(folder, name);

describe("terminal", () => {
  test("works on the sandbox that the rollout left", async () => {
    await toolCaller(context)("write_file", { path: "answer.txt", content: "42\n" });
    expect(await verifier.terminal("cat answer.txt; exit 2")).toEqual({
      output: "42\n",
      exitCode: 2,
      timedOut: false,
    });
    expect(await verifier.terminal("pwd", { workdir: "/usr" })).toMatchObject({ output: "/usr\n" });
    expect(await verifier.terminal("echo on; sleep 60", { timeoutMs: 300 })).toEqual({
      output: "on\n",
      exitCode: 124,
      timedOut: true,
    });
  });

  test("is not fooled by what the model left in its own shell", async () => {
    const fake = 'grep() { echo "all tests pass"; }; export -f grep; export PATH=/nowhere; cd /';
    await toolCaller(context)("terminal", { command: fake });
    expect(await verifier.terminal("pwd; echo real | grep real")).toMatchObject({
      output: `${workspace}\nreal\n`,
    });
  });
});

describe("files", () => {
  test("written and read as they are, text and bytes", async () => {
    const bytes = randomBytes(100_000);
    await verifier.writeFile("made/for it/bytes", bytes);
    expect(bytes.equals(await verifier.readFile("made/for it/bytes"))).toBe(true);
    await verifier.writeFile("text", "\u{1F9F5}\r\n");
    expect(await verifier.readText("text")).toBe("\u{1F9F5}\r\n");
  });

  test("missing or too large ones reject with a code", async () => {
    await expect(verifier.readFile("nowhere")).rejects.toMatchObject({ code: "SANDBOX_FILE_NOT_FOUND" });
    await verifier.writeFile("ten", "0123456789");
    await expect(verifier.readFile("ten", { maxBytes: 9 })).rejects.toMatchObject({
      code: "SANDBOX_FILE_TOO_LARGE",
    });
  });

  test.each([0, 1, 512, 70_000, 20_000_000])("of %d bytes go up and come down unchanged", async (size) => {
    const bytes = randomBytes(size);
    await writeFile(local("up"), bytes, { mode: 0o750 });
    await verifier.uploadFile(local("up"), 'new dir/it\'s a "file".bin');
    expect(await verifier.downloadFile('new dir/it\'s a "file".bin', local("below/down"))).toBe(size);
    expect(bytes.equals(await readFile(local("below/down")))).toBe(true);
    expect((await stat(local("below/down"))).mode & 0o777).toBe(0o750);
    expect(await readdir(local("below"))).toEqual(["down"]);
  });

  test("directories go up and come down whole, links and devices aside", async () => {
    await mkdir(local("tree/empty"), { recursive: true });
    await mkdir(local("tree/a/b"), { recursive: true });
    await writeFile(local("tree/a/b/deep"), "deep");
    await writeFile(local(`tree/${"long-".repeat(40)}name`), "long");
    await writeFile(local("tree/run.sh"), "echo ran", { mode: 0o755 });
    await symlink("a/b/deep", local("tree/link"));
    await verifier.uploadDir(local("tree"), "tree");
    expect(
      await verifier.terminal("cat tree/link; tree/run.sh; mkfifo tree/pipe; ln tree/run.sh tree/zz"),
    ).toMatchObject({
      output: "deepran\n",
    });

    const down = await verifier.downloadDir("tree", local("down"));
    expect(down).toEqual({ files: 4, bytes: 16, skipped: expect.arrayContaining(["link", "pipe"]) });
    const names = (await readdir(local("down"), { recursive: true })).sort();
    expect(names).toEqual(
      ["a", "a/b", "a/b/deep", "empty", `${"long-".repeat(40)}name`, "run.sh", "zz"].sort(),
    );
    expect(await readFile(local("down/zz"), "utf8")).toBe("echo ran");
  });

  test("a link is followed inside the sandbox, and a circle of links is found", async () => {
    await verifier.terminal(
      "mkdir -p l; echo real > l/real; ln -s real l/one; ln -s l/one two; ln -s loop loop2; ln -s loop2 loop",
    );
    await verifier.downloadFile("two", local("two"));
    expect(await readFile(local("two"), "utf8")).toBe("real\n");
    await expect(verifier.downloadFile("loop", local("loop"))).rejects.toThrow();
  });

  test.each<[string, () => Promise<unknown>, object]>([
    [
      "a directory where a file is expected",
      () => verifier.downloadFile(".", local("x")),
      { code: "TRANSFER_FAILED" },
    ],
    [
      "a file that is not there",
      () => verifier.downloadFile("nowhere", local("x")),
      { code: "SANDBOX_FILE_NOT_FOUND" },
    ],
    ["a local file that is not there", () => verifier.uploadFile(local("nowhere"), "x"), { code: "ENOENT" }],
    [
      "a local directory that is not there",
      () => verifier.uploadDir(local("nowhere"), "x"),
      { code: "ENOENT" },
    ],
  ])("%s rejects and leaves nothing behind", async (_name, transfer, expected) => {
    await expect(transfer()).rejects.toMatchObject(expected);
    expect(await readdir(folder)).toEqual([]);
  });

  test("a download beyond its limit breaks off", async () => {
    await verifier.terminal(
      "mkdir big; head -c 3000000 /dev/zero > big/a; head -c 3000000 /dev/zero > big/b",
    );
    const tooLarge = { code: "TRANSFER_FAILED", message: expect.stringContaining("at most 4000000 bytes") };
    await expect(verifier.downloadDir("big", local("down"), { maxBytes: 4_000_000 })).rejects.toMatchObject(
      tooLarge,
    );
    await expect(verifier.downloadFile("big/a", local("a"), { maxBytes: 1_000 })).rejects.toMatchObject({
      code: "TRANSFER_FAILED",
    });
    expect(await readdir(folder)).toEqual(["down"]);
  });

  test.each(["../escape", "/etc/escape", "a/../../escape"])(
    "an archive with the name %s is refused",
    async (name) => {
      const hostile = pack();
      hostile.entry({ name }, "x");
      hostile.finalize();
      await using fresh = rolloutContext(backend);
      const sandbox = await fresh.sandbox();
      sandbox.download = async () => Readable.from(hostile);
      const download = new ToolContext({ context: fresh, tools: [] }).downloadDir(".", local("down"));
      await expect(download).rejects.toMatchObject({
        code: "TRANSFER_FAILED",
        message: expect.stringContaining("leads out"),
      });
      expect(await readdir(folder)).toEqual(["down"]);
    },
  );

  test("an aborted rollout ends a transfer with the reason", async () => {
    const rollout = new AbortController();
    await using aborted = rolloutContext(backend, { signal: rollout.signal });
    const doomed = new ToolContext({ context: aborted, tools: [] });
    await doomed.terminal("truncate -s 200M large");
    const transfer = doomed.downloadFile("large", local("large"));
    setTimeout(() => rollout.abort(new Error("stopped")), 20);
    await expect(transfer).rejects.toThrow("stopped");
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("search", () => {
  beforeAll(async () => {
    await verifier.writeFile("code/a.py", "import os\n\ndef main():\n    pass\n");
    await verifier.writeFile("code/b:c.txt", "def main in text\n");
    await verifier.writeFile("code/binary", Buffer.from("def main\0"));
  });

  test("finds lines by pattern, with path and number", async () => {
    const { matches, truncated } = await verifier.search("^def +main", { path: "code" });
    expect(truncated).toBe(false);
    expect(matches.toSorted((x, y) => (x.path < y.path ? -1 : 1))).toEqual([
      { path: `${workspace}/code/a.py`, line: 3, text: "def main():" },
      { path: `${workspace}/code/b:c.txt`, line: 1, text: "def main in text" },
    ]);
  });

  test("narrows by file name and number of matches", async () => {
    expect((await verifier.search("def", { path: "code", glob: "*.py" })).matches).toHaveLength(1);
    expect(await verifier.search("def", { path: "code", limit: 1 })).toMatchObject({
      truncated: true,
      matches: [{}],
    });
    expect(await verifier.search("not there at all")).toEqual({ matches: [], truncated: false });
  });

  test.each<[string, string, string]>([
    ["a pattern that is none", "(", "code"],
    ["a path that is not there", "x", "nowhere"],
  ])("rejects %s", async (_name, pattern, path) => {
    await expect(verifier.search(pattern, { path })).rejects.toMatchObject({ code: "SEARCH_FAILED" });
  });
});

test("callTool works on the model's own session, and knows only the tools it was given", async () => {
  await toolCaller(context)("python", { code: "secret = 7" });
  expect(await verifier.callTool("python", { code: "secret" })).toMatchObject({
    ok: true,
    content: expect.stringContaining('"result":"7"'),
  });
  expect(await verifier.callTool("python", { cod: "" })).toMatchObject({ ok: false, invalidArguments: true });
  await expect(verifier.callTool("pyton", {})).rejects.toMatchObject({ code: "TOOL_UNKNOWN" });
});
