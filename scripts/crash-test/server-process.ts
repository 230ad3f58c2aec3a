/** A real `run-api` process on a store file, to be killed and started again on the same port. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const RUN_API = fileURLToPath(new URL("../../src/cli/run-api.ts", import.meta.url));

export type ServerSettings = { storePath: string; runDirectory: string; sync: "normal" | "full" };

export class ServerProcess implements AsyncDisposable {
  readonly #settings: ServerSettings;
  #child: ChildProcess | undefined;
  #port = 0;
  starts = 0;

  constructor(settings: ServerSettings) {
    this.#settings = settings;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Resolves when it listens: on a free port the first time, on the same one ever after. */
  async start(): Promise<void> {
    const { storePath, runDirectory, sync } = this.#settings;
    const flags = ["--port", String(this.#port), "--store", `sqlite:${storePath}`, "--sync", sync];
    const child = spawn(process.execPath, [RUN_API, ...flags, "--run-dir", runDirectory], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.starts++;
    let said = "";
    const ready = new Promise<string>((resolve, reject) => {
      child.stderr.on("data", (chunk) => {
        said += String(chunk);
      });
      child.stdout.on("data", (chunk) => {
        said += String(chunk);
        const port = /ready: http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
        if (port !== undefined) resolve(port);
      });
      child.once("exit", (code, signal) => reject(new Error(`run-api ended (${code ?? signal}): ${said}`)));
      child.once("error", reject);
    });
    this.#port = Number(await ready);
  }

  /** Ends the process as nothing can prevent it, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
