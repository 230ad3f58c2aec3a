/**
 * Plain processes of this user in a directory of their own: no walls at all. For trusted code, by explicit
 * choice. The supervisor is a child subreaper, so what commands leave running can still be found and killed.
 */
import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";
import { supervisorCommand } from "../supervisor/supervisor-command.ts";
import { supervisorSource } from "../supervisor/supervisor-source.ts";
import { HostProcess, sendAll } from "./host-process.ts";
import type { LocalConfig } from "./local-config.ts";
import { openSandbox } from "./open-sandbox.ts";
import type { PythonRuntime } from "./python-runtime.ts";
import type { SandboxLauncher } from "./sandbox-launcher.ts";

const megabyte = 1_048_576;
const systemPath = "/usr/local/bin:/usr/bin:/bin";
const controlFd = 3;
/** Marks the processes of a sandbox, to find those that outlived a killed supervisor. */
const markVariable = "LACHESIS_SANDBOX";
const farewellMs = 5_000;

export class PlainLauncher implements SandboxLauncher {
  readonly #config: LocalConfig;
  readonly #python: PythonRuntime;

  constructor(config: LocalConfig, python: PythonRuntime) {
    this.#config = config;
    this.#python = python;
  }

  async launch(id: string, signal: AbortSignal): Promise<SupervisedSandbox> {
    signal.throwIfAborted();
    const directory = await mkdtemp(join(tmpdir(), `lachesis-${process.pid}-`));
    const workspace = join(directory, "workspace");
    const temporary = join(directory, "tmp");
    await mkdir(workspace);
    await mkdir(temporary);

    const [program, ...commandArguments] = supervisorCommand({
      controlFd,
      limits: {
        dataBytes: this.#config.memory_mb * megabyte,
        fileBytes: this.#config.workspace_mb * megabyte,
      },
      doomedDirectory: directory,
    });
    const mark = directory;
    const child = spawn(program, commandArguments, {
      stdio: ["pipe", "ignore", "pipe", "pipe"],
      env: { PATH: systemPath },
      cwd: "/",
      detached: true,
    });
    sendAll(child.stdin, supervisorSource);
    const host = new HostProcess(child);
    const demolish = async () => {
      // The supervisor saw its control socket close; it kills all that is below it and leaves.
      const giveUp = setTimeout(() => child.kill("SIGKILL"), farewellMs);
      const how = await host.ended;
      clearTimeout(giveUp);
      if (how !== cleanEnd) await killMarked(mark);
      await removeDirectory(directory);
    };
    const baseEnv = {
      PATH: `${this.#python.binDirectory}:${systemPath}`,
      HOME: workspace,
      USER: "sandbox",
      SHELL: "/bin/bash",
      LANG: "C.UTF-8",
      TERM: "dumb",
      TMPDIR: temporary,
      [markVariable]: mark,
    };
    return openSandbox({ id, workspace, baseEnv, child, host, controlFd, demolish, signal });
  }

  [Symbol.dispose](): void {}
}

const cleanEnd = "exit code 0";

/** Kills every process whose environment carries the mark, until none is left. */
async function killMarked(mark: string): Promise<void> {
  const needle = `${markVariable}=${mark}\0`;
  for (let round = 0; round < 20; round += 1) {
    const names = await readdir("/proc").catch(() => []);
    const pids = names.filter((name) => /^\d+$/.test(name));
    const marked = await Promise.all(
      pids.map(async (pid) =>
        (await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "")).includes(needle),
      ),
    );
    const found = pids.filter((_, index) => marked[index]);
    if (found.length === 0) return;
    for (const pid of found) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It was gone already.
      }
    }
  }
}

/** Removes the directory even where commands took away the permissions to do so. */
async function removeDirectory(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch {
    await makeWritable(directory);
    await rm(directory, { recursive: true, force: true }).catch(() => {});
  }
}

async function makeWritable(directory: string): Promise<void> {
  await chmod(directory, 0o700).catch(() => {});
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isDirectory()) await makeWritable(join(directory, entry.name));
  }
}
