/** Spawns the real command line, as a user's shell would, and watches what it says. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

export type CliOptions = {
  /** Working directory; run directories go under it. */
  cwd: string;
  /** Added to a minimal environment. */
  env?: Record<string, string>;
  /** The script to run. Default: the `environment` bin. */
  script?: string;
};

export type CliEnd = { code: number | null; stdout: string; stderr: string };

export class RunningCli implements AsyncDisposable {
  readonly process: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #ended: Promise<unknown>;
  readonly #watchers = new Set<() => void>();

  constructor(args: readonly string[], { cwd, env = {}, script = "src/cli/environment.ts" }: CliOptions) {
    const { PATH = "", HOME = "" } = process.env;
    this.process = spawn(process.execPath, [resolve(root, script), ...args], {
      cwd,
      env: { PATH, HOME, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process.stdout?.setEncoding("utf8").on("data", (text: string) => this.#add("stdout", text));
    this.process.stderr?.setEncoding("utf8").on("data", (text: string) => this.#add("stderr", text));
    this.#ended = once(this.process, "close").then(() => this.#tell());
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }

  /** Resolves once the text has been said on stdout or stderr; rejects if the process ends before. */
  async says(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = `${this.stdout}\n${this.stderr}`.match(pattern);
      if (match !== null) return match;
      if (this.process.exitCode !== null) {
        throw new Error(`never said ${pattern}:\n${this.stdout}\n${this.stderr}`);
      }
      await new Promise<void>((wake) => this.#watchers.add(wake));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  async end(): Promise<CliEnd> {
    await this.#ended;
    return { code: this.process.exitCode, stdout: this.stdout, stderr: this.stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill("SIGKILL");
    await this.#ended;
  }

  #add(stream: "stdout" | "stderr", text: string): void {
    this[stream] += text;
    this.#tell();
  }

  #tell(): void {
    for (const wake of this.#watchers) wake();
    this.#watchers.clear();
  }
}

/** Runs a command to its end. */
export async function runCli(args: readonly string[], options: CliOptions): Promise<CliEnd> {
  await using cli = new RunningCli(args, options);
  return await cli.end();
}
