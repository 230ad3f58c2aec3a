import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { backendNames, createBackend } from "../../../backends/index.ts";
import { makeColors } from "../../../src/cli/colors.ts";
import { backendText } from "../../../src/cli/doctor/doctor-text.ts";
import { findPrograms } from "../../../src/cli/doctor/find-programs.ts";
import { tryBackend } from "../../../src/cli/doctor/try-backend.ts";
import { LachesisError } from "../../../src/contracts/errors.ts";
import { listDescendants } from "../../support/host-processes.ts";
import { bubblewrapSkipReason, expectNoSandboxLeft } from "../../support/local-sandboxes.ts";
import { ScriptedBackend } from "../../support/scripted-backend.ts";
import { runCli } from "../run-cli.ts";

const { signal } = new AbortController();
let cwd: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "lachesis-doctor-"));
});
afterAll(async () => {
  await rm(cwd, { recursive: true, force: true });
});

test.skipIf(bubblewrapSkipReason !== undefined)(
  `a backend that works is told with the time of each step (${bubblewrapSkipReason ?? "bubblewrap"})`,
  async () => {
    const create = () => createBackend("local", {});
    const report = await tryBackend({ name: "local", create, timeoutMs: 60_000, signal });
    expect(report).toEqual({
      name: "local",
      works: true,
      timings: {
        createMs: expect.any(Number),
        execMs: expect.any(Number),
        filesMs: expect.any(Number),
        destroyMs: expect.any(Number),
      },
      python: expect.stringMatching(/^3\./),
    });
    await expectNoSandboxLeft();
  },
);

test("settings that are wrong and programs that are missing are told with what to do", async () => {
  const wrong = () => createBackend("local", { memory_mb: 1 });
  expect(await tryBackend({ name: "local", create: wrong, timeoutMs: 5_000, signal })).toMatchObject({
    works: false,
    error: { step: "settings", code: "CONFIG_INVALID" },
  });
  const missing = () => createBackend("local", { bwrap_path: "/no/such/bwrap" });
  expect(await tryBackend({ name: "local", create: missing, timeoutMs: 60_000, signal })).toMatchObject({
    works: false,
    error: { step: "create", code: "SANDBOX_UNAVAILABLE", hint: expect.stringContaining("apt-get") },
  });
});

test("a backend that never answers is given up, and one that answers nonsense doesn't work", async () => {
  const silent = new ScriptedBackend();
  expect(await tryBackend({ name: "x", create: () => silent, timeoutMs: 30, signal })).toMatchObject({
    works: false,
    error: { step: "create", code: "SANDBOX_UNAVAILABLE", message: "It took longer than 0.03 s." },
  });
  expect([silent.isClosed, silent.pending.length]).toEqual([true, 0]);
  const mute = new ScriptedBackend({ isAutomatic: true });
  expect(await tryBackend({ name: "x", create: () => mute, timeoutMs: 5_000, signal })).toMatchObject({
    works: false,
    error: { step: "exec" },
  });
  expect(mute.isClosed).toBe(true);
});

test("Ctrl-C ends it with the backend closed", async () => {
  const backend = new ScriptedBackend();
  const stop = new AbortController();
  const trying = tryBackend({ name: "x", create: () => backend, timeoutMs: 60_000, signal: stop.signal });
  const reason = new Error("stopped");
  stop.abort(reason);
  await expect(trying).rejects.toBe(reason);
  expect(backend.isClosed).toBe(true);
});

test("the programs are told with their versions, and what is missing with how to get it", async () => {
  const programs = await findPrograms({ chromium: "/no/such/chromium", signal });
  expect(programs.find(({ name }) => name === "node")?.version).toBe(process.versions.node);
  expect(programs.find(({ name }) => name === "chromium")).toMatchObject({
    version: null,
    remedy: "apt-get install chromium",
  });
});

test("a line of the table fits the terminal", () => {
  const error = new LachesisError("SANDBOX_UNAVAILABLE", `It ${"really ".repeat(30)}does not work.`, {
    hint: `Do ${"this and ".repeat(20)}that.`,
  });
  const { code, message } = error;
  const text = backendText(
    {
      name: "x",
      works: false,
      timings: {},
      python: null,
      error: { step: "create", code, message, hint: error.hint ?? null },
    },
    { isWanted: true, columns: 72, colors: makeColors(false) },
  );
  expect(text).toMatch(/^ {2}✗ x {13}It really/);
  expect(text).toMatch(/^ +→ Do this/m);
  expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(72);
});

test("the command: exit code 0 when the backend of the run works, 1 when it doesn't, 2 for a wrong one", async () => {
  await writeFile(
    join(cwd, "run.yaml"),
    "env:\n  terminal_isolation: none\n  answer_field: of-some-environment\nopenai:\n  - model_name: x\n",
  );
  const good = await runCli(["doctor", "--backend", "local", "--config", "run.yaml", "--json"], { cwd });
  expect(good.code, good.stdout + good.stderr).toBe(0);
  expect(JSON.parse(good.stdout)).toMatchObject({ works: true, backends: [{ name: "local", works: true }] });

  const bad = await runCli(
    ["doctor", "--env.terminal_backend=local", "--env.local_bwrap_path=/no/bwrap", "--timeout=5s"],
    { cwd },
  );
  expect(bad.code).toBe(1);
  for (const name of backendNames) expect(bad.stdout).toMatch(new RegExp(`^ {2}. ${name} `, "m"));
  expect(bad.stdout).toMatch(/✗ local.*\/no\/bwrap/s);

  const wrong = await runCli(["doctor", "--backend", "locl"], { cwd });
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("Use one of:")]);
  expect(listDescendants()).toEqual([]);
});
