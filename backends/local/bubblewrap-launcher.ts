/**
 * Starts one bubblewrap per sandbox with a supervisor as the sandbox's process 1: when that one is killed,
 * the kernel kills everything inside. The outer bubblewrap is never killed first, since in its first
 * milliseconds that leaves the sandbox running for good.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";
import { isSupervisable, supervisorCommand } from "../supervisor/supervisor-command.ts";
import { supervisorSource } from "../supervisor/supervisor-source.ts";
import { bubblewrapArguments, groupFile, passwdFile } from "./bubblewrap-profile.ts";
import { HostProcess, sendAll } from "./host-process.ts";
import type { LocalConfig } from "./local-config.ts";
import { openSandbox } from "./open-sandbox.ts";
import type { PythonRuntime } from "./python-runtime.ts";
import type { SandboxLauncher } from "./sandbox-launcher.ts";

const megabyte = 1_048_576;
const sharedMemoryBytes = 64 * megabyte;
const workspace = "/workspace";
/** The only variable of the outer process, whose environment a sandbox may get to see. */
const hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const sandboxPath = "/usr/local/bin:/usr/bin:/bin";
const [argumentsFd, infoFd, controlFd, passwdFd, groupFd, firstDirectoryFd] = [3, 4, 5, 6, 7, 8];
const bubblewrapInfo = z.object({ "child-pid": z.int().positive() });
const run = promisify(execFile);

type Capabilities = {
  disableUserNamespaces: boolean;
  /** Directories that only root can reach, opened. */
  descriptors: readonly { fd: number; path: string }[];
};

export class BubblewrapLauncher implements SandboxLauncher {
  readonly #config: LocalConfig;
  readonly #python: PythonRuntime;
  readonly #capabilities: Capabilities;

  private constructor(config: LocalConfig, python: PythonRuntime, capabilities: Capabilities) {
    this.#config = config;
    this.#python = python;
    this.#capabilities = capabilities;
  }

  /** Finds out what the installed bubblewrap can do here; rejects with SANDBOX_UNAVAILABLE. */
  static async open(
    config: LocalConfig,
    python: PythonRuntime,
    signal: AbortSignal,
  ): Promise<BubblewrapLauncher> {
    if (!isSupervisable(process.platform, process.arch)) {
      throw unavailable(`it needs Linux on x64 or arm64, and this is ${process.platform} on ${process.arch}`);
    }
    const help = await readHelp(config.bwrap_path, signal);
    if (!help.includes("--size BYTES")) throw unavailable("it must be version 0.7 or newer (option --size)");
    const rootOnly = isRoot() ? outsideSystem(python) : [];
    if (rootOnly.length > 0 && !help.includes("--ro-bind-fd")) {
      throw unavailable(
        `without its option --ro-bind-fd it cannot show Python in ${rootOnly.join(", ")} to others`,
      );
    }
    const descriptors = rootOnly.map((path) => ({ fd: openSync(path, constants.O_DIRECTORY), path }));
    const strict = new BubblewrapLauncher(config, python, {
      disableUserNamespaces: help.includes("--disable-userns"),
      descriptors,
    });
    const lenient = new BubblewrapLauncher(config, python, { disableUserNamespaces: false, descriptors });
    try {
      return await strict.#prove(signal).catch(() => lenient.#prove(signal));
    } catch (error) {
      lenient[Symbol.dispose]();
      signal.throwIfAborted();
      throw unavailable(error instanceof Error ? error.message : String(error));
    }
  }

  async launch(id: string, signal: AbortSignal): Promise<SupervisedSandbox> {
    signal.throwIfAborted();
    const child = this.#start();
    const host = new HostProcess(child);
    const childPid = readChildPid(child.stdio[infoFd]);
    const demolish = async () => {
      const pid = await Promise.race([childPid, host.ended.then(() => undefined)]);
      if (pid !== undefined && !host.hasEnded) killHard(pid);
      await host.ended;
    };
    return openSandbox({ id, workspace, baseEnv: this.#baseEnv(), child, host, controlFd, demolish, signal });
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#capabilities.descriptors) closeSync(fd);
  }

  async #prove(signal: AbortSignal): Promise<this> {
    await using sandbox = await this.launch("probe", signal);
    const result = await sandbox.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal });
    if (result.exitCode === 0) return this;
    throw new Error(`a trial command failed: ${Buffer.from(result.stderr)}`);
  }

  #start(): ChildProcess {
    const { bwrap_path, memory_mb, workspace_mb, max_processes, network, run_as_uid } = this.#config;
    const { disableUserNamespaces, descriptors } = this.#capabilities;
    const profile = bubblewrapArguments({
      workspace,
      workspaceBytes: workspace_mb * megabyte,
      temporaryBytes: workspace_mb * megabyte,
      sharedMemoryBytes,
      shareNetwork: network,
      disableUserNamespaces,
      readOnlyDirectories: isRoot() ? [] : outsideSystem(this.#python),
      readOnlyDescriptors: descriptors.map(({ path }, index) => ({ fd: firstDirectoryFd + index, path })),
      infoFd,
      passwdFd,
      groupFd,
    });
    const supervisor = supervisorCommand({
      controlFd,
      limits: {
        dataBytes: memory_mb * megabyte,
        fileBytes: workspace_mb * megabyte,
        processes: max_processes,
      },
    });
    const directories = descriptors.map(({ fd }) => fd);
    const child = spawn(bwrap_path, ["--args", String(argumentsFd), "--", ...supervisor], {
      stdio: ["pipe", "ignore", "pipe", "pipe", "pipe", "pipe", "pipe", "pipe", ...directories],
      env: { PATH: hostPath },
      cwd: "/",
      // A session of its own: Ctrl-C on the terminal is for Lachesis to handle, not for bubblewrap to die of.
      detached: true,
      ...(isRoot() ? { uid: run_as_uid, gid: run_as_uid } : {}),
    });
    sendAll(child.stdin, supervisorSource);
    sendAll(child.stdio[argumentsFd], profile.map((argument) => `${argument}\0`).join(""));
    sendAll(child.stdio[passwdFd], passwdFile);
    sendAll(child.stdio[groupFd], groupFile);
    return child;
  }

  #baseEnv(): Record<string, string> {
    const { binDirectory } = this.#python;
    return {
      PATH: sandboxPath.split(":").includes(binDirectory) ? sandboxPath : `${binDirectory}:${sandboxPath}`,
      HOME: workspace,
      USER: "sandbox",
      SHELL: "/bin/bash",
      LANG: "C.UTF-8",
      TERM: "dumb",
      TMPDIR: "/tmp",
    };
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function outsideSystem(python: PythonRuntime): string[] {
  return python.prefixes.filter((prefix) => prefix !== "/usr" && !prefix.startsWith("/usr/"));
}

async function readHelp(bwrapPath: string, signal: AbortSignal): Promise<string> {
  try {
    const { stdout, stderr } = await run(bwrapPath, ["--help"], { env: { PATH: hostPath }, signal });
    return stdout + stderr;
  } catch (error) {
    signal.throwIfAborted();
    throw unavailable(
      `${bwrapPath} could not be run (${error instanceof Error ? error.message : String(error)})`,
    );
  }
}

/** Process 1 of the sandbox as the host sees it; undefined when bubblewrap ended before there was one. */
async function readChildPid(stream: unknown): Promise<number | undefined> {
  if (!(stream instanceof Readable)) return undefined;
  let text = "";
  stream.setEncoding("utf8");
  try {
    for await (const chunk of stream) text += chunk;
    return bubblewrapInfo.parse(JSON.parse(text))["child-pid"];
  } catch {
    return undefined;
  }
}

function killHard(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It was gone already.
  }
}

function unavailable(why: string): LachesisError {
  return new LachesisError("SANDBOX_UNAVAILABLE", `Sandboxes by bubblewrap cannot be made here: ${why}.`, {
    hint:
      "Install it (`apt-get install bubblewrap`) and allow unprivileged user namespaces; or, if you trust what will " +
      "run, opt in to plain processes without any isolation: `--env.terminal_isolation none`.",
  });
}
