/**
 * Starts one bubblewrap per sandbox (by a launch process) with a supervisor as the sandbox's process 1: when that
 * one is killed, the kernel kills everything inside.
 *
 * The outer bubblewrap must never die first: in its first milliseconds that leaves the inner one waiting for it
 * for good (until the launch process notices). So we never kill it, and nothing that a kill -9 of this process or of
 * the launch process breaks may end it: no --die-with-parent, no pipe to write into, only files. It goes on to start the supervisor, which finds its
 * control socket closed and leaves, and all goes with it.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { LachesisError } from "../../src/contracts/errors.ts";
import { openSupervisedSandbox, startFailed } from "../supervisor/open-supervised-sandbox.ts";
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";
import { supervisorCommand, systemCallsHere } from "../supervisor/supervisor-command.ts";
import { supervisorSource } from "../supervisor/supervisor-source.ts";
import { complaintIn, endBubblewrap, readChildPid } from "./bubblewrap-end.ts";
import { bubblewrapArguments, groupFile, passwdFile } from "./bubblewrap-profile.ts";
import { canBecome } from "./can-become.ts";
import { findCgroupParents } from "./cgroups/find-cgroups.ts";
import { SandboxCgroups } from "./cgroups/sandbox-cgroups.ts";
import { reachableDirectories, shelvingCommand } from "./closed-directories.ts";
import { InheritableFile } from "./inheritable-file.ts";
import { type LaunchedProcess, LaunchProcess } from "./launch-process.ts";
import { launchProcessSource } from "./launch-process-source.ts";
import type { LocalConfig } from "./local-config.ts";
import type { PythonRuntime } from "./python-runtime.ts";
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
/** Sandboxes that one launch process starts: each holds two descriptors and a socket ready for every one of them. */
const slotsPerProcess = 32;
const run = promisify(execFile);

export class BubblewrapLauncher implements SandboxLauncher {
  readonly #command: readonly [string, ...string[]];
  /** Absent: sandboxes start as the user that we are. */
  readonly #userId: number | undefined;
  /** The supervisor's program. */
  readonly #source = new InheritableFile(supervisorSource);
  /** NUL-terminated, for a descriptor: on the command line they would show host paths to the sandbox. */
  readonly #arguments: InheritableFile;
  readonly #passwd = new InheritableFile(passwdFile);
  readonly #group = new InheritableFile(groupFile);
  readonly #filter: InheritableFile;
  readonly #program = new InheritableFile(launchProcessSource);
  readonly #processes = new Set<LaunchProcess>();
  #newest: LaunchProcess | undefined;
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
    this.#userId = changesUser && !isShelved ? config.run_as_uid : undefined;
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
        await launcher[Symbol.asyncDispose]();
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#newest?.retire();
    await Promise.all([...this.#processes].map(({ closed }) => closed));
    const files = [this.#source, this.#arguments, this.#passwd, this.#group, this.#filter, this.#program];
    for (const file of files) file[Symbol.dispose]();
  }

  async launch(id: string, signal: AbortSignal): Promise<SupervisedSandbox> {
    signal.throwIfAborted();
    const making = this.#groups?.make();
    making?.catch(() => {});
    const launched = await this.#start(id);
    const { control, report } = launched;
    let complaint = "";
    const demolish = async () => {
      await endBubblewrap(launched);
      complaint = complaintIn(report);
      report[Symbol.dispose]();
      await (await making?.catch(() => undefined))?.remove();
    };
    const sandbox = await openSupervisedSandbox({
      ...{ id, workspace, baseEnv: this.#baseEnv, demolish, signal },
      stream: control,
      ended: launched.ended,
      complaint: () => complaint,
    });
    try {
      const pid = readChildPid(report);
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

  /** By the newest launch process, or one more where that has no slot left. */
  async #start(id: string): Promise<LaunchedProcess> {
    const launched = this.#newest?.launch();
    if (launched !== undefined) return launched;
    const process = new LaunchProcess({
      command: this.#command,
      userId: this.#userId,
      systemCalls: systemCallsHere(),
      env: { PATH: hostPath },
      program: this.#program,
      input: this.#source,
      files: [this.#arguments, this.#passwd, this.#group, this.#filter],
      slots: slotsPerProcess,
    });
    this.#newest = process;
    this.#processes.add(process);
    void process.closed.then(() => this.#processes.delete(process));
    const first = process.launch();
    if (first === undefined) throw startFailed(id, await process.closed);
    return first;
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

function unavailable(why: string): LachesisError {
  return new LachesisError("SANDBOX_UNAVAILABLE", `Sandboxes by bubblewrap cannot be made here: ${why}.`, {
    hint:
      "Install it (`apt-get install bubblewrap`) and allow unprivileged user namespaces; or, if you trust what will " +
      "run, opt in to plain processes without any isolation: `--env.terminal_isolation none`.",
  });
}
