/** A server as a process of its own, with what it costs this machine. Linux only (/proc). */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

/** USER_HZ, which Linux holds at 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

export class ServerProcess implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  /** Runs a script of this repository until it prints the URL it listens on. */
  static async start(
    script: string,
    args: readonly string[],
    { program = process.execPath }: { program?: string } = {},
  ): Promise<ServerProcess> {
    const child = spawn(program, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: child.stdout })) {
      const url = /http:\/\/\S+/.exec(line)?.[0];
      if (url !== undefined) return new ServerProcess(child, url);
    }
    throw new Error(`${script} ended (${child.exitCode}) before it listened`);
  }

  /** Memory in use now, MB. */
  async residentMegabytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  /** Processor time used since its start, over all its threads, milliseconds. */
  async processorMs(): Promise<number> {
    const stat = await readFile(`/proc/${this.#child.pid}/stat`, "utf8");
    // Fields are counted from behind the name, which may have spaces in it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const force = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await exited;
    clearTimeout(force);
  }
}
