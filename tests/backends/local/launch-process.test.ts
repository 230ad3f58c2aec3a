/** The process that starts bubblewraps: what happens when it, or its host, is killed, and that it never stays. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { createBackend } from "../../../backends/index.ts";
import {
  eventually,
  findByCommand,
  listDescendants,
  listHostProcesses,
} from "../../support/host-processes.ts";
import { bubblewrapSkipReason, expectNoSandboxLeft } from "../../support/local-sandboxes.ts";

const signal = new AbortController().signal;
const isLaunchProcess = (command: string) => /^(lachesis-launcher|perl \/proc\/self\/fd)/.test(command);
/** A copy of it that is about to become a bubblewrap bears its name too, but is its child. */
const launchProcesses = (host = process.pid) =>
  listDescendants(host).filter(({ parentPid, command }) => parentPid === host && isLaunchProcess(command));
const backendsModule = JSON.stringify(resolve(import.meta.dirname, "../../../backends/index.ts"));
const script = (text: string) =>
  spawn(process.execPath, ["--input-type=module-typescript", "--eval", text], {
    stdio: ["ignore", "pipe", "inherit"],
  });

test.skipIf(bubblewrapSkipReason !== undefined)(
  "killed alone, its sandboxes are reported as dead and go, and the next ones come from another",
  async () => {
    await using backend = createBackend("local", {});
    const create = () => backend.create({ rolloutId: "launch", signal });
    const sandboxes = await Promise.all([create(), create(), create()]);
    const marker = `${30_000 + (process.pid % 30_000)}.5`;
    const running = sandboxes.map((sandbox) =>
      sandbox.exec({ shell: `setsid sleep ${marker} & sleep ${marker}` }, { timeoutMs: 60_000, signal }),
    );
    await eventually(() => findByCommand(`sleep ${marker}`).length >= 6, "the commands run");
    const ended = Promise.allSettled(running);
    const [launchProcess, ...others] = launchProcesses();
    expect(others).toEqual([]);
    process.kill(launchProcess?.pid ?? Number.NaN, "SIGKILL");

    for (const result of await ended) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "SANDBOX_DIED", retryable: true } });
    }
    await Promise.all(sandboxes.map((sandbox) => sandbox[Symbol.asyncDispose]()));
    await eventually(() => findByCommand(`sleep ${marker}`).length === 0, "the commands are gone");
    await expectNoSandboxLeft();
    await using next = await create();
    expect(await next.exec({ shell: "exit 3" }, { timeoutMs: 20_000, signal })).toMatchObject({
      exitCode: 3,
    });
  },
);

test.skipIf(bubblewrapSkipReason !== undefined)(
  "killed while it starts sandboxes, each of them fails or lives, and nothing is left",
  async () => {
    await using backend = createBackend("local", {});
    await backend.check({ signal });
    for (const delayMs of [0, 2, 5, 8, 12, 20]) {
      const creations = Array.from({ length: 4 }, () => backend.create({ rolloutId: "launch", signal }));
      const settled = Promise.allSettled(creations);
      await new Promise((done) => setTimeout(done, delayMs));
      for (const { pid } of launchProcesses()) process.kill(pid, "SIGKILL");
      for (const result of await settled) {
        if (result.status === "fulfilled") await result.value[Symbol.asyncDispose]();
        else expect(result.reason).toMatchObject({ code: "SANDBOX_START_FAILED", retryable: true });
      }
      await expectNoSandboxLeft();
    }
    await backend.check({ signal });
  },
);

test.skipIf(bubblewrapSkipReason !== undefined)(
  "a bubblewrap that is killed while it starts leaves nobody waiting for it",
  async () => {
    await using backend = createBackend("local", {});
    await backend.check({ signal });
    const childrenOf = (pid: number) =>
      readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").match(/\d+/g);
    /** Waits without giving way: the moment in which a child waits for its parent is short. */
    const killInTime = (launchProcess: number) => {
      for (const deadline = performance.now() + 200; performance.now() < deadline; ) {
        const parent = childrenOf(launchProcess)?.find((child) => childrenOf(Number(child)) !== null);
        if (parent !== undefined) return process.kill(Number(parent), "SIGKILL");
      }
      return false;
    };
    let failed = 0;
    // How often the moment is met depends on what else the machine does.
    for (let round = 0; failed < 3 && round < 40; round++) {
      const settled = Promise.allSettled([backend.create({ rolloutId: "launch", signal })]);
      await new Promise((done) => setImmediate(done));
      for (const { pid } of launchProcesses()) killInTime(pid);
      const [result] = await settled;
      if (result?.status === "fulfilled") await result.value[Symbol.asyncDispose]();
      else {
        expect(result?.reason).toMatchObject({ code: "SANDBOX_START_FAILED", retryable: true });
        failed += 1;
      }
      await expectNoSandboxLeft();
    }
  },
);

test.skipIf(bubblewrapSkipReason !== undefined)(
  "more sandboxes than one can start come from several, which leave with their last sandbox",
  async () => {
    const backend = createBackend("local", {});
    const sandboxes = await Promise.all(
      Array.from({ length: 40 }, () => backend.create({ rolloutId: "launch", signal })),
    );
    expect(launchProcesses()).toHaveLength(2);
    await Promise.all(
      sandboxes.map(async (sandbox, number) => {
        const { stdout } = await sandbox.exec({ shell: `echo ${number}` }, { timeoutMs: 60_000, signal });
        expect(Buffer.from(stdout).toString()).toBe(`${number}\n`);
        await sandbox[Symbol.asyncDispose]();
      }),
    );
    await eventually(() => launchProcesses().length === 1, "the one that is used up has ended");
    await backend[Symbol.asyncDispose]();
    expect(launchProcesses()).toEqual([]);
  },
);

test.skipIf(bubblewrapSkipReason !== undefined)(
  "no sandbox shares a session with its host, so that Ctrl-C is for the host alone",
  async () => {
    await using backend = createBackend("local", {});
    await using _sandbox = await backend.create({ rolloutId: "launch", signal });
    const sessions = [process.pid, ...listDescendants().map(({ pid }) => pid)].map(
      (pid) => readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ")[3],
    );
    const [own, ...others] = sessions;
    expect(others.length).toBeGreaterThanOrEqual(3);
    expect(new Set(others).size).toBeGreaterThanOrEqual(3);
    expect(others).not.toContain(own);
  },
);

test.skipIf(bubblewrapSkipReason !== undefined)("it goes with a host that is killed", async () => {
  const host = script(`
    import { createBackend } from ${backendsModule};
    const signal = new AbortController().signal;
    const backend = createBackend("local", {});
    const sandbox = await backend.create({ rolloutId: "launch", signal });
    console.log("ready");
    await sandbox.exec({ shell: "sleep 600" }, { timeoutMs: 600_000, signal });`);
  await once(createInterface(host.stdout), "line");
  const started = listDescendants(host.pid).map(({ pid }) => pid);
  expect(launchProcesses(host.pid)).toHaveLength(1);
  host.kill("SIGKILL");
  const isLeft = () => listHostProcesses().some(({ pid }) => started.includes(pid));
  await eventually(() => !isLeft(), "all that the host has started is gone");
});

test.skipIf(bubblewrapSkipReason !== undefined)(
  "it keeps no host alive that forgot to dispose of its backend",
  async () => {
    const host = script(`
      import { createBackend } from ${backendsModule};
      const signal = new AbortController().signal;
      const backend = createBackend("local", {});
      const sandbox = await backend.create({ rolloutId: "launch", signal });
      await sandbox.exec({ shell: "true" }, { timeoutMs: 60_000, signal });
      await sandbox[Symbol.asyncDispose]();
      console.log(process.pid);`);
    await once(createInterface(host.stdout), "line");
    const started = listDescendants(host.pid).map(({ pid }) => pid);
    const [code] = await once(host, "exit");
    expect(code).toBe(0);
    const isLeft = () => listHostProcesses().some(({ pid }) => started.includes(pid));
    await eventually(() => !isLeft(), "the launch process is gone");
  },
);
