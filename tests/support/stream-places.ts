/**
 * The plainest place that gives one byte stream: a bubblewrap with the machine's files, whose process 1 becomes the
 * stream supervisor. Only the programs named are on the path of its bootstrap.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { requireSupported } from "../../backends/require-supported.ts";
import { JoinedStream } from "../../backends/supervisor/joined-stream.ts";
import { openStreamSandbox, streamSupervisorCommand } from "../../backends/supervisor/stream-supervisor.ts";
import type { SupervisedSandbox } from "../../backends/supervisor/supervised-sandbox.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Sandbox, SandboxBackend, SandboxRequest } from "../../src/contracts/sandbox.ts";
import { eventually, listDescendants } from "./host-processes.ts";

const workspace = "/tmp/workspace";

export class StreamPlaces implements SandboxBackend {
  readonly name = "stream";
  readonly #programs: string;
  readonly #closing = new AbortController();
  readonly #places = new Map<string, { child: ChildProcess; sandbox: Promise<SupervisedSandbox> }>();

  /** @param programs absolute paths of all that the bootstrap can find. */
  constructor(programs: readonly string[]) {
    this.#programs = mkdtempSync(join(tmpdir(), "lachesis-programs-"));
    for (const program of programs)
      symlinkSync(program, join(this.#programs, program.slice(program.lastIndexOf("/") + 1)));
  }

  async check(): Promise<void> {}

  async create({ rolloutId, signal, spec }: SandboxRequest): Promise<Sandbox> {
    requireSupported(this.name, spec, []);
    const either = AbortSignal.any([signal, this.#closing.signal]);
    either.throwIfAborted();
    const id = `${rolloutId}-${randomBytes(3).toString("hex")}`;
    const child = this.#spawn();
    const ended = new Promise<string>((resolve) => {
      child.once("close", (code, name) => resolve(name === null ? `exit code ${code}` : `signal ${name}`));
    });
    const sandbox = openStreamSandbox({
      id,
      workspace,
      baseEnv: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: workspace },
      stream: new JoinedStream(child.stdin, child.stdout),
      ended,
      demolish: async () => {
        await ended;
        this.#places.delete(id);
      },
      signal: either,
    });
    this.#places.set(id, { child, sandbox });
    return sandbox;
  }

  kill(sandbox: Sandbox): void {
    this.#places.get(sandbox.id)?.child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new LachesisError("SANDBOX_CLOSED", "The places have been closed."));
    const opened = await Promise.allSettled([...this.#places.values()].map(({ sandbox }) => sandbox));
    for (const result of opened) if (result.status === "fulfilled") await result.value[Symbol.asyncDispose]();
    rmSync(this.#programs, { recursive: true, force: true });
  }

  #spawn() {
    const walls = [
      "--unshare-all",
      "--as-pid-1",
      "--die-with-parent",
      "--dev-bind",
      "/",
      "/",
      "--proc",
      "/proc",
    ];
    const files = ["--tmpfs", "/tmp", "--dir", workspace, "--ro-bind", this.#programs, "/tmp/programs"];
    const variables = ["--clearenv", "--setenv", "PATH", "/tmp/programs"];
    const [, ...bootstrap] = streamSupervisorCommand();
    const argv = [...walls, ...files, ...variables, "--", "/bin/sh", ...bootstrap];
    return spawn("bwrap", argv, { stdio: ["pipe", "pipe", "ignore"], detached: true });
  }
}

/** No bubblewrap of a place below this process. */
export async function expectNoPlaceLeft(): Promise<void> {
  const left = () => listDescendants().filter(({ command }) => command.startsWith("bwrap "));
  await eventually(() => left().length === 0, "no place is left").catch(() => expect(left()).toEqual([]));
}
