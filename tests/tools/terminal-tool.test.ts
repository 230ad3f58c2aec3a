import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import { plainBackend, rolloutContext, toolCaller } from "../support/rollout-context.ts";

let backend: SandboxBackend;
let context: EnvRolloutContext;
let call: ReturnType<typeof toolCaller>;
let workspace: string;

beforeAll(async () => {
  backend = plainBackend();
  context = rolloutContext(backend);
  call = toolCaller(context);
  workspace = (await context.sandbox()).workspace;
});

afterAll(async () => {
  await context[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

const terminal = (command: string, rest: object = {}) => call("terminal", { command, ...rest });

describe("terminal: one command", () => {
  test("gives stdout and stderr in the order written, and the exit code", async () => {
    expect(await terminal("echo one; echo two >&2; echo three; exit 3")).toEqual({
      ok: true,
      output: "one\ntwo\nthree\n",
      exit_code: 3,
      error: null,
    });
  });

  test.each<[string, string, string, number]>([
    ["a syntax error", "echo 'open", "unexpected EOF while looking for matching", 2],
    [
      "an unknown program, by its line",
      "true\nno-such-program",
      "bash: line 2: no-such-program: command not found",
      127,
    ],
    ["death by a signal", "kill -TERM $$", "", 143],
    ["no input to read", "read answer || echo nothing to read", "nothing to read", 0],
    ["a program that replaces the shell", "exec echo replaced", "replaced", 0],
    ["several lines and a here document", "cat <<'END'\na $b\nEND\necho c", "a $b\nc\n", 0],
    ["colours, stripped", "printf '\\033[31mred\\033[0m'", "red", 0],
    ["bytes that are no UTF-8", "printf 'a\\377b'", "a\ufffdb", 0],
    ["tracing, without the session's own commands", "set -x; echo hi", "+ echo hi\nhi\n", 0],
    ["a command with NUL characters", "echo a\0b", "ab", 0],
  ])("shows %s", async (_name, command, output, exitCode) => {
    const result = await terminal(command);
    expect(result.output).toContain(output);
    expect(result.output).not.toContain("__lx");
    expect(result.exit_code).toBe(exitCode);
  });

  test("takes commands beyond what fits an argument of a program", async () => {
    const result = await terminal(`text='${"x".repeat(200_000)}'; echo \${#text}`);
    expect(result).toMatchObject({ output: "200000\n", exit_code: 0 });
  });

  test("is stopped at its time limit with what it printed so far, children included", async () => {
    const result = await terminal("echo before; (sleep 60; echo late) & sleep 60", { timeout: 1 });
    expect(result).toMatchObject({ ok: false, output: "before\n", exit_code: 124 });
    expect(result.error).toContain("stopped after 1 s");
  });

  test("has its output cut in the middle: 40% of the head, 60% of the tail", async () => {
    const { output } = await terminal("echo start; yes 0123456789 | head -n 300000; echo end");
    const text = String(output);
    expect(text.length).toBeLessThan(50_100);
    expect(text).toMatch(/^start\n/);
    expect(text).toMatch(/end\n$/);
    expect(text).toMatch(/OUTPUT TRUNCATED: \d+ of 3300010 characters left out/);
    expect(text.indexOf("OUTPUT TRUNCATED")).toBeCloseTo(20_000, -2);
  });

  test.each<[string, object]>([
    ["a timeout of zero", { timeout: 0 }],
    ["a timeout beyond ten minutes", { timeout: 601 }],
    ["a directory with NUL", { workdir: "a\0b" }],
    ["an unknown argument", { in_background: true }],
  ])("refuses %s", async (_name, rest) => {
    expect(await terminal("true", rest)).toMatchObject({
      ok: false,
      error: expect.stringContaining("Invalid arguments"),
    });
  });
});

describe("terminal: from command to command", () => {
  test("the working directory, exported variables and functions live on", async () => {
    await terminal("mkdir -p 'a b'; cd 'a b'; export WORD=$'two\\nlines'; greet() { echo \"hello $1\"; }");
    expect(await terminal('pwd; echo "$WORD"; greet you')).toMatchObject({
      output: `${workspace}/a b\ntwo\nlines\nhello you\n`,
    });
    await terminal("cd ..; unset WORD; unset -f greet");
    expect(await terminal('pwd; echo "<$WORD>"; greet you')).toMatchObject({
      output: expect.stringContaining(`${workspace}\n<>\nbash: line 1: greet: command not found`),
    });
  });

  test.each<[string, string]>([
    ["exit", "export KEPT=by-exit; exit 7"],
    ["set -e", "set -e; export KEPT=by-exit; false; export KEPT=never"],
    ["a trap of its own", "trap 'echo bye' EXIT; export KEPT=by-exit"],
  ])("state survives a command that ends with %s", async (_name, command) => {
    await terminal("unset KEPT");
    await terminal(command);
    expect(await terminal("echo $KEPT")).toMatchObject({ output: "by-exit\n" });
  });

  test("a command that is stopped leaves the state as it was", async () => {
    await terminal("export STAGE=before");
    await terminal("export STAGE=during; cd /; sleep 60", { timeout: 1 });
    expect(await terminal("echo $STAGE; pwd")).toMatchObject({ output: `before\n${workspace}\n` });
  });

  test("workdir holds for one command and starts at the workspace", async () => {
    await terminal("mkdir -p sub; cd /");
    expect(await terminal("pwd", { workdir: "sub" })).toMatchObject({ output: `${workspace}/sub\n` });
    expect(await terminal("pwd")).toMatchObject({ output: "/\n" });
    expect(await terminal("echo not run", { workdir: "nowhere" })).toMatchObject({
      output: expect.stringMatching(/nowhere: No such file or directory\n$/),
      exit_code: 1,
    });
    await terminal(`cd ${workspace}`);
  });

  test("a working directory that is gone is said so", async () => {
    await terminal("mkdir gone; cd gone; rmdir ../gone");
    expect(await terminal("echo $PWD")).toMatchObject({
      output: `[The working directory ${workspace}/gone is gone; this is /.]\n/\n`,
    });
    await terminal(`cd ${workspace}`);
  });

  test("a function named cd is the commands' own: entering the directory doesn't call it", async () => {
    await terminal('cd() { builtin cd "$@" && echo "now in $PWD"; }');
    expect(await terminal("cd /")).toMatchObject({ output: "now in /\n" });
    expect(await terminal("pwd", { workdir: "." })).toMatchObject({ output: `${workspace}\n` });
    await terminal(`builtin cd ${workspace}; unset -f cd`);
  });

  test("state too large to keep is said so and the former state stays", async () => {
    await terminal("export SMALL=1");
    const result = await terminal("export SMALL=2 BIG=$(head -c 125000 /dev/zero | tr '\\0' x)");
    expect(result).toMatchObject({ ok: true, note: expect.stringContaining("120,000 bytes") });
    expect(await terminal("echo $SMALL; echo -n $BIG | wc -c")).toMatchObject({ output: "1\n0\n" });
  });

  test("each rollout has a shell of its own", async () => {
    await using other = rolloutContext(backend, { rolloutId: "rollout-2" });
    await terminal("export MINE=1");
    expect(await toolCaller(other)("terminal", { command: "echo <$MINE>; pwd" })).not.toMatchObject({
      output: expect.stringContaining("<1>"),
    });
  });
});

test("an aborted rollout ends the command and rejects with the reason", async () => {
  const rollout = new AbortController();
  await using aborted = rolloutContext(backend, { signal: rollout.signal });
  await aborted.sandbox();
  const running = toolCaller(aborted)("terminal", { command: "sleep 60" });
  rollout.abort(new Error("stopped"));
  await expect(running).rejects.toThrow("stopped");
});
