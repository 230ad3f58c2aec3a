import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import { isRunning } from "../support/local-sandboxes.ts";
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

const start = async (command: string, rest: object = {}) => {
  const started = await call("terminal", { command, background: true, ...rest });
  expect(started).toMatchObject({ ok: true, exit_code: 0, error: null });
  return String(started.session_id);
};
const act = (action: string, session_id?: string, rest: object = {}) =>
  call("process", { action, ...(session_id !== undefined && { session_id }), ...rest });

describe("a background command", () => {
  test("says its session and its process id, and ends with its own exit code and output", async () => {
    const started = await call("terminal", {
      command: "echo $$; echo err >&2; exit 3",
      background: true,
    });
    expect(started).toMatchObject({
      ok: true,
      session_id: expect.stringMatching(/^proc_\d+$/),
      pid: expect.any(Number),
      exit_code: 0,
      error: null,
    });
    expect(await act("wait", String(started.session_id))).toEqual({
      ok: true,
      status: "exited",
      exit_code: 3,
      output: `${started.pid}\nerr\n`,
    });
  });

  test("has the shell's directory, variables and functions, and changes none of them", async () => {
    await call("terminal", { command: "mkdir -p sub; cd sub; export WORD=there; greet() { echo hi $1; }" });
    const session = await start('pwd; greet "$WORD"; export WORD=gone; cd /');
    expect(await act("wait", session)).toMatchObject({ output: `${workspace}/sub\nhi there\n` });
    expect(await call("terminal", { command: 'pwd; echo "$WORD"; cd ..' })).toMatchObject({
      output: `${workspace}/sub\nthere\n`,
    });
    const elsewhere = await start("pwd", { workdir: "/" });
    expect(await act("wait", elsewhere)).toMatchObject({ output: "/\n" });
  });

  test("tells where its directory is gone", async () => {
    const session = await start("echo no", { workdir: "not/there" });
    expect(await act("wait", session)).toMatchObject({
      exit_code: 1,
      output: expect.stringContaining("not/there"),
    });
  });

  test("reads what is written to it, until its input is closed", async () => {
    const session = await start('while read line; do echo "got $line"; done; echo done; cat; exit 4');
    expect(await act("write", session, { data: "a\nb" })).toEqual({
      ok: true,
      status: "ok",
      session_id: session,
      bytes_written: 3,
    });
    await act("submit", session, { data: "c" });
    await act("submit", session);
    await act("close", session);
    expect(await act("wait", session)).toMatchObject({
      exit_code: 4,
      output: "got a\ngot bc\ngot \ndone\n",
    });
    expect(await act("write", session, { data: "x" })).toMatchObject({
      ok: false,
      status: "already_exited",
      error: expect.stringContaining("exit code 4"),
    });
  });

  test("has a terminal of its own with pty", async () => {
    const session = await start('test -t 0 && test -t 1 && echo both; read answer; echo "=$answer"; exit 5', {
      pty: true,
    });
    await act("submit", session, { data: "yes" });
    const ended = await act("wait", session);
    expect(ended).toMatchObject({ status: "exited", exit_code: 5 });
    expect(String(ended.output)).toMatch(/both[\s\S]*=yes/);
    expect(await call("terminal", { command: "true", pty: true })).toMatchObject({
      ok: false,
      error: expect.stringContaining("background=true"),
    });
  });

  test("dies with all it started when it is killed, and with the rollout", async () => {
    const session = await start("sleep 98761 & setsid sleep 98762 & wait");
    expect(await act("poll", session)).toMatchObject({ status: "running" });
    expect(await act("kill", session)).toMatchObject({ status: "killed", exit_code: 137 });
    expect(isRunning("sleep 98761") || isRunning("sleep 98762")).toBe(false);
    expect(await act("kill", session)).toMatchObject({ ok: true, status: "already_exited" });

    const other = rolloutContext(backend, { rolloutId: "rollout-2" });
    await toolCaller(other)("terminal", { command: "sleep 98763", background: true });
    await other[Symbol.asyncDispose]();
    expect(isRunning("sleep 98763")).toBe(false);
  });

  test("may not be longer than the sandbox can be told, nor one too many", async () => {
    expect(await call("terminal", { command: `: ${"x".repeat(100_000)}`, background: true })).toMatchObject({
      ok: false,
      error: expect.stringContaining("script"),
    });
    await using crowd = rolloutContext(backend, { rolloutId: "rollout-3" });
    const inCrowd = toolCaller(crowd);
    for (let started = 0; started < 16; started++) {
      await inCrowd("terminal", { command: "sleep 98764", background: true });
    }
    expect(await inCrowd("terminal", { command: "true", background: true })).toMatchObject({
      ok: false,
      error: expect.stringContaining("16 background processes"),
    });
    await inCrowd("process", { action: "kill", session_id: "proc_1" });
    expect(await inCrowd("terminal", { command: "true", background: true })).toMatchObject({ ok: true });
  });
});

describe("process", () => {
  test("lists the processes of this rollout alone", async () => {
    await using other = rolloutContext(backend, { rolloutId: "rollout-4" });
    const inOther = toolCaller(other);
    expect(await inOther("process", { action: "list" })).toEqual({ ok: true, processes: [] });
    expect(await inOther("process", { action: "poll", session_id: "proc_1" })).toMatchObject({
      ok: false,
      status: "not_found",
      error: expect.stringContaining("background=true"),
    });
    await inOther("terminal", { command: "echo here; sleep 60", background: true });
    await inOther("process", { action: "wait", session_id: "proc_1", timeout: 1 });
    expect(await inOther("process", { action: "list" })).toEqual({
      ok: true,
      processes: [
        {
          session_id: "proc_1",
          command: "echo here; sleep 60",
          pid: expect.any(Number),
          status: "running",
          uptime_seconds: expect.any(Number),
          cwd: (await other.sandbox()).workspace,
          started_at: expect.stringMatching(/^\d{4}-.*Z$/),
          output_preview: "here\n",
        },
      ],
    });
  });

  test("waits no longer than commands may take, and says so", async () => {
    await using hasty = rolloutContext(backend, { limits: { toolTimeoutMs: 300 } });
    const inHasty = toolCaller(hasty);
    await inHasty("terminal", { command: "echo a; sleep 60", background: true });
    expect(await inHasty("process", { action: "wait", session_id: "proc_1", timeout: 500 })).toEqual({
      ok: true,
      status: "timeout",
      output: expect.any(String),
      timeout_note: expect.stringContaining("0.3 s (the longest wait here; 500 s were asked for)"),
    });
  });

  test("a wait ends at once when the rollout is cancelled", async () => {
    const cancel = new AbortController();
    await using cancelled = rolloutContext(backend, { signal: cancel.signal });
    const inCancelled = toolCaller(cancelled);
    await inCancelled("terminal", { command: "sleep 60", background: true });
    const waiting = inCancelled("process", { action: "wait", session_id: "proc_1" });
    cancel.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });

  test("shows the log by lines, the last ones where nothing is said", async () => {
    const session = await start("seq 1 500");
    await act("wait", session);
    expect(await act("log", session, { limit: 3 })).toMatchObject({
      output: "498\n499\n500",
      total_lines: 500,
      showing: "lines 498-500 of 500",
    });
    expect(await act("log", session, { offset: 10, limit: 2 })).toMatchObject({ output: "11\n12" });
    expect(await act("log", session, { offset: 900 })).toMatchObject({ output: "", showing: "no lines" });
    expect(await act("poll", session)).toMatchObject({
      status: "exited",
      exit_code: 0,
      output: expect.stringMatching(/\n500\n$/),
    });
  });

  test("keeps the last 200,000 bytes of a flood", async () => {
    const session = await start("seq 1 1000000");
    await act("wait", session);
    const log = await act("log", session, { limit: 1 });
    expect(log).toMatchObject({ output: "1000000", note: expect.stringContaining("6688896 bytes") });
    expect(await act("log", session, { offset: 0, limit: 2000 })).toMatchObject({ ok: true });
  });

  test.each<[string, object, RegExp]>([
    ["no session", { action: "poll" }, /needs a session_id/],
    ["a session that is none", { action: "kill", session_id: "proc_999" }, /Use one of: proc_1/],
    ["an unknown action", { action: "pause" }, /Invalid arguments/],
  ])("names the fix for %s", async (_name, args, error) => {
    expect(await call("process", args)).toMatchObject({ ok: false, error: expect.stringMatching(error) });
  });

  test("refuses input that nobody reads, and writes without data", async () => {
    const session = await start("sleep 60");
    expect(await act("write", session)).toMatchObject({ ok: false, error: expect.stringContaining("data") });
    const data = "x".repeat(1_000_000);
    for (let sent = 0; sent < 3; sent++) await act("write", session, { data });
    expect(await act("write", session, { data })).toMatchObject({
      ok: false,
      error: expect.stringContaining("does not read"),
    });
    await act("kill", session);
  });
});
