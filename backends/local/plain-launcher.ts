/**
 * Plain processes of this user in a directory of their own: no walls at all. For trusted code, by explicit
 * choice. The supervisor is a child subreaper, so what commands leave running can still be found and killed.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killMarked, markVariable } from "../marked-processes.ts";
import { ownerMark, ownerState } from "../owner-mark.ts";
import { removeDirectory } from "../remove-directory.ts";
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
const farewellMs = 5_000;
/** Before the owner's mark in a directory's name. */
const prefix = "lachesis-plain-";

export class PlainLauncher implements SandboxLauncher {
  readonly #config: LocalConfig;
  readonly #python: PythonRuntime;
  /** Of the names of directories; settles when those of dead owners are gone. */
  #prefix: Promise<string> | undefined;

  constructor(config: LocalConfig, python: PythonRuntime) {
    this.#config = config;
    this.#python = python;
  }

  async launch(id: string, signal: AbortSignal): Promise<SupervisedSandbox> {
    signal.throwIfAborted();
    this.#prefix ??= clearLeftovers().then(async () => `${prefix}${await ownerMark()}-`);
    const directory = await mkdtemp(join(tmpdir(), await this.#prefix));
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

  async [Symbol.asyncDispose](): Promise<void> {}
}

const cleanEnd = "exit code 0";

/** A process that was killed while sandboxes of its own started has left directories that no supervisor knew of. */
async function clearLeftovers(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  for (const name of names.filter((candidate) => candidate.startsWith(prefix))) {
    const mark = name.slice(prefix.length, name.lastIndexOf("-"));
    if ((await ownerState(mark)) !== "dead") continue;
    const directory = join(tmpdir(), name);
    await killMarked(directory);
    await removeDirectory(directory);
  }
}
