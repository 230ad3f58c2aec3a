/**
 * Starts one container per sandbox with the supervisor as its command. The supervisor's end is the container's: it
 * ends with its input. A container that does not is killed, with all that carries its mark.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readdir } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import { HostProcess } from "../local/host-process.ts";
import { killMarked, markVariable } from "../marked-processes.ts";
import { ownerMark, ownerState } from "../owner-mark.ts";
import { removeDirectory } from "../remove-directory.ts";
import { openStreamSandbox, streamSupervisorCommand } from "../supervisor/stream-supervisor.ts";
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";
import { containerCommand } from "./container-command.ts";
import type { SingularityConfig } from "./singularity-config.ts";

const megabyte = 1_048_576;
const directoryPrefix = "lachesis-singularity-";
const defaultWorkspace = "/workspace";
/** Of the program itself. Not ours: variables like APPTAINER_BIND would let the host in. */
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const farewellMs = 5_000;

export class ContainerLauncher {
  readonly #config: SingularityConfig;
  readonly #program: string;
  readonly #base: string;

  constructor(config: SingularityConfig, program: string) {
    this.#config = config;
    this.#program = program;
    this.#base = config.directory ?? tmpdir();
  }

  /** Ends and removes what dead processes of ours have left; gives their number. */
  async removeLeftovers(): Promise<number> {
    const names = (await readdir(this.#base).catch(() => [])).filter((name) =>
      name.startsWith(directoryPrefix),
    );
    const marks = names.map((name) => name.slice(directoryPrefix.length).split("-")[0] ?? "");
    const states = await Promise.all(marks.map(ownerState));
    const left = names.filter((_name, index) => states[index] === "dead");
    for (const name of left) {
      await killMarked(name);
      await removeDirectory(join(this.#base, name));
    }
    return left.length;
  }

  /** Rejects with SANDBOX_START_FAILED or the signal's reason, and leaves nothing then. */
  async launch(
    id: string,
    image: string,
    spec: SandboxSpec | undefined,
    signal: AbortSignal,
  ): Promise<SupervisedSandbox> {
    signal.throwIfAborted();
    const mark = `${directoryPrefix}${await ownerMark()}-${randomBytes(8).toString("hex")}`;
    const directory = join(this.#base, mark);
    const workspace = spec?.workspace ?? defaultWorkspace;
    const workspaceSource = spec?.workspace === undefined ? join(directory, "workspace") : undefined;
    await mkdir(join(directory, "workspace"), { recursive: true, mode: 0o700 });

    const [program, ...commandArguments] = containerCommand({
      program: this.#program,
      image,
      workspaceSource,
      workspace,
      shareNetwork: spec?.network ?? this.#config.network,
      env: { [markVariable]: mark },
      command: streamSupervisorCommand({
        limits: {
          dataBytes: this.#config.memory_mb * megabyte,
          fileBytes: this.#config.workspace_mb * megabyte,
        },
      }),
    });
    const child = spawn(program, commandArguments, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: systemPath, HOME: homedir(), [markVariable]: mark },
      cwd: "/",
      // A group of its own: Ctrl-C on the terminal is for Lachesis to handle, and a kill takes its helpers along.
      detached: true,
    });
    const host = new HostProcess(child);
    // What is written to a container that has gone is told by its end.
    child.stdin.on("error", () => {});
    const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
    let demolition: Promise<void> | undefined;
    const demolish = () => {
      demolition ??= this.#demolish(child.pid, host, mark, directory);
      return demolition;
    };
    try {
      return await openStreamSandbox({
        id,
        workspace,
        baseEnv: { HOME: workspace, USER: "sandbox", LANG: "C.UTF-8", TERM: "dumb", TMPDIR: "/tmp" },
        stream,
        ended: host.ended,
        complaint: () => host.complaint,
        startTimeoutMs: this.#config.start_timeout * 1_000,
        demolish,
        signal,
      });
    } catch (error) {
      stream.destroy();
      await demolish();
      throw error;
    }
  }

  /** The supervisor saw its input end; it kills all that is below it and leaves, and its container goes with it. */
  async #demolish(
    pid: number | undefined,
    host: HostProcess,
    mark: string,
    directory: string,
  ): Promise<void> {
    const giveUp = setTimeout(() => killGroup(pid), farewellMs);
    await host.ended;
    clearTimeout(giveUp);
    await killMarked(mark);
    await removeDirectory(directory);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It was gone already.
  }
}
