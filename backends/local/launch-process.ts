/**
 * One small process that starts sandboxes' programs for this one, with what they need laid out in slots beforehand.
 *
 * Nothing of it outlives anybody: killed with its host, it and its sandboxes see their sockets close; killed alone,
 * its sandboxes are reported as ended. Each slot serves once.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import type { InheritableFile } from "./inheritable-file.ts";
import { ReportFile } from "./report-file.ts";

export type LaunchOptions = {
  /** argv; see `launch-process-source.ts` for the descriptors it gets. */
  command: readonly [string, ...string[]];
  /** The user and group to start it as; absent: ours. */
  userId: number | undefined;
  systemCalls: { setsid: number; prctl: number };
  /** The whole environment. */
  env: Readonly<Record<string, string>>;
  /** The program of the launch process itself. */
  program: InheritableFile;
  /** What the command reads as its stdin. */
  input: InheritableFile;
  /** The command's descriptors 3, 6, 7 and 8. */
  files: readonly [InheritableFile, InheritableFile, InheritableFile, InheritableFile];
  slots: number;
};

/** One command that a launch process has been asked to start. */
export type LaunchedProcess = {
  /** The host's end of the socket that the command has as descriptor 5. */
  readonly control: Socket;
  /** What it wrote into descriptors 2 and 4. */
  readonly report: ReportFile;
  /** How it ended, in words. Settles once; never rejects. */
  readonly ended: Promise<string>;
  /** Whether all that it started is known to be gone too; else only the launch process has ended. */
  isGone(): boolean;
};

type Slot = { control: Socket; report: ReportFile };
type End = (how: string, isGone: boolean) => void;

const firstSlotFd = 11;

export class LaunchProcess {
  /** Settles with how the process ended, in words; never rejects. */
  readonly closed: Promise<string>;
  readonly #child: ChildProcess;
  readonly #slots = new Map<number, Slot>();
  readonly #running = new Map<number, End>();
  #isRetired = false;

  constructor(options: LaunchOptions) {
    const reports = Array.from({ length: options.slots }, () => new ReportFile());
    this.#child = start(options, reports);
    // Where the machine has no descriptors left, there is no stdio at all.
    const stdio: readonly unknown[] = this.#child.stdio ?? [];
    for (const stream of stdio) if (stream instanceof Socket) unref(stream);
    for (const [number, report] of reports.entries()) {
      const control = stdio[firstSlotFd + 2 * number];
      if (control instanceof Socket) this.#slots.set(number, { control, report });
      else report[Symbol.dispose]();
    }
    this.#child.unref();
    const { promise, resolve } = Promise.withResolvers<string>();
    this.closed = promise;
    this.#child.once("error", (error) => this.#close(error.message, resolve));
    this.#child.once("exit", (code, signal) => this.#close(describeEnd(code, signal), resolve));
    const { stdout } = this.#child;
    if (stdout) createInterface({ input: stdout }).on("line", (line) => this.#hear(line));
  }

  /** Asks for one command; undefined where no slot is left. */
  launch(): LaunchedProcess | undefined {
    const [next] = this.#slots;
    if (next === undefined) return undefined;
    const [number, { control, report }] = next;
    this.#slots.delete(number);
    const { promise, resolve } = Promise.withResolvers<string>();
    let isKnownGone = false;
    this.#running.set(number, (how, isGone) => {
      isKnownGone = isGone;
      resolve(how);
    });
    control.ref();
    this.#hold();
    this.#child.stdin?.write(`${number}\n`);
    if (this.#slots.size === 0) this.retire();
    return { control, report, ended: promise, isGone: () => isKnownGone };
  }

  /** Gives back what is unused; the process ends with the last of what it has started. */
  retire(): void {
    this.#isRetired = true;
    for (const { control, report } of this.#slots.values()) {
      control.destroy();
      report[Symbol.dispose]();
    }
    this.#slots.clear();
    this.#child.stdin?.end();
    this.#hold();
  }

  #hear(line: string): void {
    const [number, status] = line.split(" ").map(Number);
    if (number === undefined || status === undefined) return;
    const end = this.#running.get(number);
    this.#running.delete(number);
    this.#hold();
    const signal = status & 0x7f;
    end?.(signal === 0 ? `exit code ${status >> 8}` : `signal ${signalName(signal)}`, true);
  }

  #close(how: string, done: (how: string) => void): void {
    this.retire();
    const endAll = () => {
      for (const end of this.#running.values()) end(`the end of its launch process (${how})`, false);
      this.#running.clear();
      done(how);
    };
    // What the process said last may still have to be read.
    const { stdout } = this.#child;
    if (!stdout || stdout.destroyed) endAll();
    else stdout.once("close", endAll);
  }

  /** A process that runs nothing keeps nobody's event loop alive. */
  #hold(): void {
    const change = this.#running.size > 0 || this.#isRetired ? "ref" : "unref";
    this.#child[change]();
    if (this.#child.stdout instanceof Socket) this.#child.stdout[change]();
  }
}

function start(options: LaunchOptions, reports: readonly ReportFile[]): ChildProcess {
  const { command, userId = 0, systemCalls, env, program, input, files } = options;
  const opened = [...files, input, program].map((file) => file.open());
  const [third, sixth, seventh, eighth, ninth, tenth] = opened;
  const numbers = [reports.length, userId, systemCalls.setsid, systemCalls.prctl].map(String);
  try {
    const child = spawn("perl", ["/proc/self/fd/10", ...numbers, ...command], {
      stdio: [
        ...(["pipe", "pipe", "ignore", third, third, third, sixth, seventh, eighth, ninth, tenth] as const),
        ...reports.flatMap((report) => ["pipe", report.descriptor] as const),
      ],
      env,
      cwd: "/",
      // A session of its own: Ctrl-C on the terminal is for Lachesis to handle.
      detached: true,
    });
    // A process that has gone tells so by its exit.
    child.stdin?.on("error", () => {});
    return child;
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

function unref(socket: Socket): void {
  socket.on("error", () => {});
  socket.unref();
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? String(number);
}
