/** A rollout's background processes, by session id. Bounded; all of them end with the rollout. */
import type { ResourceKey } from "../contracts/rollout-context.ts";
import type { SandboxProcess } from "../contracts/sandbox.ts";
import { BackgroundProcess } from "./background-process.ts";

export const mostRunning = 16;
/** Ended ones are kept for their output; the oldest go first. */
const mostKept = 64;
const longestFirstLine = 32;

export class ProcessTable implements AsyncDisposable {
  readonly #processes = new Map<string, BackgroundProcess>();
  #starting = 0;
  #last = 0;

  /** null where as many run as may. Rejects as `spawn` does. */
  async start(
    command: string,
    spawn: () => Promise<{ process: SandboxProcess; cwd: string }>,
  ): Promise<BackgroundProcess | null> {
    if (this.#starting + this.running().length >= mostRunning) return null;
    this.#starting += 1;
    try {
      const startedAtMs = Date.now();
      const { process, cwd } = await spawn();
      const pid = await readPid(process);
      this.#last += 1;
      const sessionId = `proc_${this.#last}`;
      const started = new BackgroundProcess(process, { sessionId, command, cwd, pid, startedAtMs });
      this.#processes.set(sessionId, started);
      this.#forgetOldest();
      return started;
    } finally {
      this.#starting -= 1;
    }
  }

  get(sessionId: string): BackgroundProcess | undefined {
    return this.#processes.get(sessionId);
  }

  /** In the order in which they were started. */
  list(): BackgroundProcess[] {
    return [...this.#processes.values()];
  }

  running(): BackgroundProcess[] {
    return this.list().filter(({ exitCode }) => exitCode === null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.running().map((process) => process.kill()));
  }

  #forgetOldest(): void {
    for (const [sessionId, { exitCode }] of this.#processes) {
      if (this.#processes.size <= mostKept) return;
      if (exitCode !== null) this.#processes.delete(sessionId);
    }
  }
}

export const processTableKey: ResourceKey<ProcessTable> = {
  name: "processes",
  create: async () => new ProcessTable(),
};

/** The first line of stderr (ShellSession.spawn); null where the process went before it could say it. */
function readPid({ stderr }: SandboxProcess): Promise<number | null> {
  return new Promise((resolve) => {
    let text = "";
    const finish = () => {
      stderr.off("data", onData).off("end", finish).off("close", finish).off("error", finish);
      const pid = Number.parseInt(text, 10);
      resolve(Number.isSafeInteger(pid) ? pid : null);
    };
    const onData = (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (text.includes("\n") || text.length > longestFirstLine) finish();
    };
    stderr.on("data", onData).once("end", finish).once("close", finish).once("error", finish);
  });
}
