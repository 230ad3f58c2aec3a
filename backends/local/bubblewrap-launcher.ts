/**
 * Starts one bubblewrap per sandbox with a supervisor as the sandbox's process 1: when that one is killed,
 * the kernel kills everything inside.
 *
 * The outer bubblewrap must never die first: in its first milliseconds that leaves the inner one waiting for it
 * for good. So we never kill it, and nothing that a kill -9 of this process breaks may end it: no
 * --die-with-parent, no pipe to write into, only files. It goes on to start the supervisor, which finds its
 * control socket closed and leaves, and all goes with it.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import { startFailed } from "../supervisor/open-supervised-sandbox.ts";
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";
import { supervisorCommand } from "../supervisor/supervisor-command.ts";
import { supervisorSource } from "../supervisor/supervisor-source.ts";
import { bubblewrapArguments, groupFile, passwdFile } from "./bubblewrap-profile.ts";
import { canBecome } from "./can-become.ts";
import { findCgroupParents } from "./cgroups/find-cgroups.ts";
import { SandboxCgroups } from "./cgroups/sandbox-cgroups.ts";
import { reachableDirectories, shelvingCommand } from "./closed-directories.ts";
import { HostProcess } from "./host-process.ts";
import { InheritableFile } from "./inheritable-file.ts";
import type { LocalConfig } from "./local-config.ts";
import { openSandbox } from "./open-sandbox.ts";
import type { PythonRuntime } from "./python-runtime.ts";
import { ReportFile } from "./report-file.ts";
import type { SandboxLauncher } from "./sandbox-launcher.ts";
import { seccompFilter } from "./seccomp/seccomp-filter.ts";

const megabyte = 1_048_576;
const sharedMemoryMegabytes = 64;
/** So that the supervisor can still start what a full sandbox is ended with. */
const processesOfMachinery = 16;
const workspace = "/workspace";
/** The only variable of the outer process, whose environment a sandbox may get to see. */
const hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const sandboxPath = "/usr/local/bin:/usr/bin:/bin";
const [argumentsFd, infoFd, controlFd, passwdFd, groupFd, seccompFd] = [3, 4, 5, 6, 7, 8];
const reportPauseMs = 2;
const bubblewrapInfo = z.object({ "child-pid": z.int().positive() });
const run = promisify(execFile);

export class BubblewrapLauncher implements SandboxLauncher {
  readonly #command: readonly [string, ...string[]];
  readonly #identity: { uid?: number; gid?: number };
  /** The supervisor's program. */
  readonly #source = new InheritableFile(supervisorSource);
  /** NUL-terminated, for a descriptor: on the command line they would show host paths to the sandbox. */
  readonly #arguments: InheritableFile;
  readonly #passwd = new InheritableFile(passwdFile);
  readonly #group = new InheritableFile(groupFile);
  readonly #filter: InheritableFile;
  /** Undefined where this process may not make control groups. */
  readonly #groups: SandboxCgroups | undefined;
  readonly #baseEnv: Readonly<Record<string, string>>;

  private constructor(
    config: LocalConfig,
    python: PythonRuntime,
    options: { disableUserNamespaces: boolean; filter: Uint8Array; groups: SandboxCgroups | undefined },
  ) {
    const changesUser = canBecome(config.run_as_uid);
    const directories = reachableDirectories(python.prefixes.filter(isOutsideSystem), changesUser);
    const bubblewrap: [string, ...string[]] = [
      config.bwrap_path,
      ...["--args", String(argumentsFd), "--"],
      ...supervisorCommand({
        controlFd,
        limits: {
          dataBytes: config.memory_mb * megabyte,
          fileBytes: config.workspace_mb * megabyte,
          processes: config.max_processes,
        },
      }),
    ];
    const isShelved = directories.some(({ source, path }) => source !== path);
    this.#command = isShelved ? shelvingCommand(config.run_as_uid, directories, bubblewrap) : bubblewrap;
    this.#identity = changesUser && !isShelved ? { uid: config.run_as_uid, gid: config.run_as_uid } : {};
    const bubblewrapOptions = bubblewrapArguments({
      workspace,
      workspaceBytes: config.workspace_mb * megabyte,
      temporaryBytes: config.workspace_mb * megabyte,
      sharedMemoryBytes: sharedMemoryMegabytes * megabyte,
      shareNetwork: config.network,
      disableUserNamespaces: options.disableUserNamespaces,
      readOnlyDirectories: directories,
      infoFd,
      passwdFd,
      groupFd,
      seccompFd,
    });
    this.#arguments = new InheritableFile(bubblewrapOptions.map((argument) => `${argument}\0`).join(""));
    this.#filter = new InheritableFile(options.filter);
    this.#groups = options.groups;
    const isOnPath = sandboxPath.split(":").includes(python.binDirectory);
    this.#baseEnv = {
      PATH: isOnPath ? sandboxPath : `${python.binDirectory}:${sandboxPath}`,
      HOME: workspace,
      USER: "sandbox",
      SHELL: "/bin/bash",
      LANG: "C.UTF-8",
      TERM: "dumb",
      TMPDIR: "/tmp",
    };
  }

  /** Finds out what the installed bubblewrap can do here; rejects with SANDBOX_UNAVAILABLE. */
  static async open(
    config: LocalConfig,
    python: PythonRuntime,
    signal: AbortSignal,
  ): Promise<BubblewrapLauncher> {
    const help = await readHelp(config.bwrap_path, signal);
    if (!help.includes("--size BYTES")) throw unavailable("it must be version 0.7 or newer (option --size)");

    const filter = seccompFilter(process.arch);
    if (filter === undefined) {
      throw unavailable(`there is no seccomp filter for ${process.arch}, only for x64 and arm64`);
    }
    const groups = await openGroups(config);
    const open = async (disableUserNamespaces: boolean) => {
      const launcher = new BubblewrapLauncher(config, python, { disableUserNamespaces, filter, groups });
      try {
        return await launcher.#prove(signal);
      } catch (error) {
        launcher[Symbol.dispose]();
        throw error;
      }
    };
    try {
      return await open(help.includes("--disable-userns")).catch((error: unknown) => {
        // Containers may keep /proc/sys/user read-only; any other failure is no reason to ask for less.
        if (error instanceof Error && /user_namespaces|userns/.test(error.message)) return open(false);
        throw error;
      });
    } catch (error) {
      signal.throwIfAborted();
      throw unavailable(error instanceof Error ? error.message : String(error));
    }
  }

  [Symbol.dispose](): void {
    for (const file of [this.#source, this.#arguments, this.#passwd, this.#group, this.#filter]) {
      file[Symbol.dispose]();
    }
  }

  async launch(id: string, signal: AbortSignal): Promise<SupervisedSandbox> {
    signal.throwIfAborted();
    const making = this.#groups?.make();
    making?.catch(() => {});
    const information = new ReportFile();
    const host = new HostProcess(this.#start(information));
    const { child } = host;
    const demolish = async () => {
      let pid = readChildPid(information);
      while (pid === undefined && !host.hasEnded) {
        await Promise.race([host.ended, sleep(reportPauseMs)]);
        pid = readChildPid(information);
      }
      if (pid !== undefined && !host.hasEnded) killHard(pid);
      await host.ended;
      information[Symbol.dispose]();
      await (await making?.catch(() => undefined))?.remove();
    };
    const sandbox = await openSandbox({
      ...{ id, workspace, baseEnv: this.#baseEnv, child, host, controlFd, demolish, signal },
    });
    try {
      const pid = readChildPid(information);
      if (pid === undefined) throw new Error("bubblewrap did not tell the process id of its child");
      await (await making)?.add(pid);
      return sandbox;
    } catch (error) {
      await sandbox[Symbol.asyncDispose]();
      throw startFailed(id, "its control group failed", error);
    }
  }

  async #prove(signal: AbortSignal): Promise<this> {
    await using sandbox = await this.launch("probe", signal);
    const result = await sandbox.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal });
    if (result.exitCode === 0) return this;
    throw new Error(`a trial command failed: ${Buffer.from(result.stderr)}`);
  }

  #start(information: ReportFile): ChildProcess {
    const [program, ...commandArguments] = this.#command;
    const files = [this.#source, this.#arguments, this.#passwd, this.#group, this.#filter];
    const descriptors = files.map((file) => file.open());
    const [sourceIn, argumentsIn, passwdIn, groupIn, filterIn] = descriptors;
    try {
      return spawn(program, commandArguments, {
        stdio: [
          ...([sourceIn, "ignore", "pipe", argumentsIn, information.descriptor] as const),
          ...(["pipe", passwdIn, groupIn, filterIn] as const),
        ],
        env: { PATH: hostPath },
        cwd: "/",
        // A session of its own: Ctrl-C on the terminal is for Lachesis to handle, not for bubblewrap to die of.
        detached: true,
        ...this.#identity,
      });
    } finally {
      for (const descriptor of descriptors) closeSync(descriptor);
    }
  }
}

async function openGroups(config: LocalConfig): Promise<SandboxCgroups | undefined> {
  const parents = await findCgroupParents();
  if (parents === undefined) return undefined;
  const filesMegabytes = 2 * config.workspace_mb + sharedMemoryMegabytes;
  return SandboxCgroups.open(parents, {
    // Files lie in memory. Whoever fills them must not starve the processes of what is theirs.
    memoryBytes: (config.memory_mb + filesMegabytes) * megabyte,
    processes: config.max_processes + processesOfMachinery,
  });
}

function isOutsideSystem(path: string): boolean {
  return path !== "/usr" && !path.startsWith("/usr/");
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

/** Process 1 of the sandbox as the host sees it; undefined when bubblewrap has not told it (yet). */
function readChildPid(information: ReportFile): number | undefined {
  try {
    return bubblewrapInfo.parse(JSON.parse(information.read()))["child-pid"];
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
