/**
 * One allocation of the loopback Nomad: a directory and real processes. With the drivers docker and exec they stand
 * behind bubblewrap, in which the task's directory is /local; raw_exec has none of that, as in the original.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { WebSocket } from "ws";
import { z } from "zod";
import type { NomadTaskGroup } from "./nomad-server.ts";

type Options = {
  jobId: string;
  group: NomadTaskGroup;
  place: number;
  createIndex: number;
  images: readonly string[] | undefined;
  nextIndex: () => number;
  onChange: () => void;
};
type TaskEvent = { Type: string; DisplayMessage: string; FailsTask: boolean };

const execFrame = z.object({
  stdin: z.object({ data: z.string().optional(), close: z.boolean().optional() }).optional(),
});
const highWaterBytes = 1_048_576;
const sessionGraceMs = 5_000;

export class NomadAllocation {
  readonly id = randomUUID();
  readonly jobId: string;
  readonly group: string;
  readonly place: number;
  readonly #options: Options;
  readonly #task: NomadTaskGroup["Tasks"][number];
  readonly #events: TaskEvent[] = [];
  readonly #children = new Map<ChildProcessWithoutNullStreams, Promise<void>>();
  #main: ChildProcessWithoutNullStreams | undefined;
  #starting: Promise<void> = Promise.resolve();
  #directory = "";
  #clientStatus = "pending";
  #desired = { status: "run", description: "" };
  modifyIndex: number;

  constructor(options: Options) {
    const [task] = options.group.Tasks;
    if (task === undefined) throw new Error("a group without tasks");
    this.#task = task;
    this.#options = options;
    this.jobId = options.jobId;
    this.group = options.group.Name;
    this.place = options.place;
    this.modifyIndex = options.createIndex;
  }

  get isOver(): boolean {
    return this.#clientStatus !== "pending" && this.#clientStatus !== "running";
  }

  /** Whether the scheduler counts it: a failed one too, where the job allows no rescheduling. */
  get occupiesItsPlace(): boolean {
    if (this.#desired.status !== "run") return false;
    return !this.isOver || this.#options.group.ReschedulePolicy?.Unlimited === false;
  }

  describe() {
    const { jobId, group, place, createIndex } = { ...this.#options, group: this.group };
    return {
      ID: this.id,
      Name: `${jobId}.${group}[${place}]`,
      JobID: jobId,
      TaskGroup: group,
      NodeName: "loopback",
      DesiredStatus: this.#desired.status,
      DesiredDescription: this.#desired.description,
      ClientStatus: this.#clientStatus,
      ClientDescription: this.#clientStatus === "failed" ? "Failed tasks" : "",
      TaskStates: {
        [this.#task.Name]: {
          State: this.isOver ? "dead" : this.#clientStatus,
          Failed: this.#clientStatus === "failed",
          Events: this.#events,
        },
      },
      CreateIndex: createIndex,
      ModifyIndex: this.modifyIndex,
    };
  }

  start(): void {
    this.#starting = this.#start();
  }

  async #start(): Promise<void> {
    const { image, entrypoint, command, args } = z
      .object({
        image: z.string().optional(),
        entrypoint: z.array(z.string()).default([]),
        command: z.string().optional(),
        args: z.array(z.string()).default([]),
      })
      .parse(this.#task.Config);
    this.#directory = await mkdtemp(join(tmpdir(), "nomad-allocation-"));
    await mkdir(join(this.#directory, "local"));
    await mkdir(join(this.#directory, "tmp"));
    const { images } = this.#options;
    if (images !== undefined && image !== undefined && !images.includes(image)) {
      this.#tell("Driver Failure", `Failed to pull \`${image}\`: not found: manifest unknown`, false);
      this.#tell("Not Restarting", "Policy allows no restarts", true);
      return this.#end("failed");
    }
    if (this.#desired.status !== "run") return this.#end("complete");
    const main = this.#spawn([...entrypoint, ...(command === undefined ? [] : [command]), ...args]);
    this.#main = main;
    main.stdin.end();
    main.once("close", (code, signal) => {
      if (this.isOver) return;
      const told = signal === null ? `Exit Code: ${code}` : `Exit Code: 137, Signal: 9`;
      this.#tell("Terminated", told, code !== 0);
      void this.#killAll().then(() => this.#end(this.#desired.status === "run" ? "failed" : "complete"));
    });
    this.#become("running");
  }

  /** What an operator or the scheduler asks for. */
  stop(why: string): void {
    if (this.#desired.status !== "run") return;
    this.#desired = { status: "stop", description: why };
    this.#changed();
    if (this.#clientStatus === "running") void this.#killAll().then(() => this.#end("complete"));
  }

  /** What the kernel's OOM killer or a lost node does. */
  async kill(): Promise<void> {
    this.#tell("Terminated", "Exit Code: 137, Signal: 9, OOM killed", true);
    await this.#starting;
    await this.#killAll();
    await this.#end("failed");
  }

  exec(client: WebSocket, task: string, command: readonly string[]): void {
    if (task !== this.#task.Name || this.#clientStatus !== "running") {
      client.close(1008, `task "${task}" is not running in the allocation`);
      return;
    }
    const child = this.#spawn(command);
    const send = (message: unknown) => {
      if (client.readyState === client.OPEN) client.send(JSON.stringify(message), () => resume());
    };
    const resume = () => {
      if (client.bufferedAmount < highWaterBytes) child.stdout.resume();
    };
    child.stdout.on("data", (chunk: Buffer) => {
      send({ stdout: { data: chunk.toString("base64") } });
      if (client.bufferedAmount > highWaterBytes) child.stdout.pause();
    });
    child.stderr.on("data", (chunk: Buffer) => send({ stderr: { data: chunk.toString("base64") } }));
    child.once("close", (code, signal) => {
      if (this.#clientStatus !== "running" || this.#desired.status !== "run") return client.terminate();
      send({ stdout: { close: true } });
      send({ stderr: { close: true } });
      send({ exited: true, result: { exit_code: signal === null ? code : 137 } });
      client.close(1000);
    });
    child.stdin.on("drain", () => client.resume());
    client.on("message", (data) => {
      const { stdin } = execFrame.parse(JSON.parse(String(data)));
      if (stdin?.data !== undefined && !child.stdin.write(Buffer.from(stdin.data, "base64"))) client.pause();
      if (stdin?.close === true) child.stdin.end();
    });
    client.on("close", () => child.stdin.end());
  }

  /** Puts a file into the task's directory. */
  async writeFile(path: string, content: string): Promise<void> {
    const absolute = join(this.#directory, "local", path);
    await mkdir(dirname(absolute), { recursive: true });
    await writeFile(absolute, content);
  }

  async destroy(): Promise<void> {
    if (this.#desired.status === "run") this.#desired = { status: "stop", description: "the server ends" };
    await this.#starting;
    await this.#killAll();
    await this.#end("complete");
  }

  #spawn(command: readonly string[]): ChildProcessWithoutNullStreams {
    const hasWalls = this.#task.Driver !== "raw_exec";
    const local = join(this.#directory, "local");
    const [program = "", ...args] = hasWalls ? ["bwrap", ...this.#walls(local), "--", ...command] : command;
    const child = spawn(program, args, {
      detached: true,
      cwd: local,
      env: {
        PATH: "/usr/local/bin:/usr/bin:/bin",
        NOMAD_TASK_DIR: hasWalls ? "/local" : local,
        NOMAD_ALLOC_ID: this.id,
      },
    });
    child.stdin.on("error", () => {});
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    child.once("error", () => {});
    this.#children.set(child, closed);
    void closed.then(() => this.#children.delete(child));
    return child;
  }

  #walls(local: string): string[] {
    return [
      ...["usr", "bin", "sbin", "lib", "lib64", "etc", "opt"].flatMap((name) => [
        "--ro-bind-try",
        `/${name}`,
        `/${name}`,
      ]),
      ...["--dev", "/dev", "--proc", "/proc"],
      ...["--bind", join(this.#directory, "tmp"), "/tmp", "--bind", local, "/local"],
      ...["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--chdir", "/local"],
    ];
  }

  async #killAll(): Promise<void> {
    await Promise.all([...this.#children].map(([child, closed]) => this.#endProcess(child, closed)));
  }

  /** Whatever stands behind walls ends with them; a session of raw_exec gets the time to end with its stdin. */
  async #endProcess(child: ChildProcessWithoutNullStreams, closed: Promise<void>): Promise<void> {
    const isSession = child !== this.#main && this.#task.Driver === "raw_exec";
    child.stdin.end();
    if (isSession) await Promise.race([closed, sleep(sessionGraceMs)]);
    try {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It was gone already.
    }
    await closed;
  }

  #tell(Type: string, DisplayMessage: string, FailsTask: boolean): void {
    this.#events.push({ Type, DisplayMessage, FailsTask });
  }

  async #end(status: "failed" | "complete"): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
    if (!this.isOver) this.#become(status);
  }

  #become(status: string): void {
    this.#clientStatus = status;
    this.#changed();
  }

  #changed(): void {
    this.modifyIndex = this.#options.nextIndex();
    this.#options.onChange();
  }
}
