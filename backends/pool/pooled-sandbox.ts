/** A sandbox of a pool while a rollout has it: the sandbox itself, measured, whose disposal tells the pool. */
import type { Readable } from "node:stream";
import type {
  Command,
  ExecOptions,
  ExecResult,
  Sandbox,
  SandboxProcess,
} from "../../src/contracts/sandbox.ts";
import type { RecentDurations } from "../../src/telemetry/recent-durations.ts";
import { type CreateTwin, forkByCopy } from "../fork-by-copy.ts";

export type PooledSandboxOptions = {
  sandbox: Sandbox;
  execDurations: RecentDurations;
  /** Ends the lease and the sandbox; called once. */
  release: () => Promise<void>;
  /** Makes a sandbox of the same kind within the pool's limits, for `fork`. */
  createTwin: CreateTwin;
};

export class PooledSandbox implements Sandbox {
  readonly id: string;
  readonly workspace: string;
  readonly fork?: NonNullable<Sandbox["fork"]>;
  readonly #sandbox: Sandbox;
  readonly #execDurations: RecentDurations;
  readonly #release: () => Promise<void>;
  #released: Promise<void> | undefined;

  constructor({ sandbox, execDurations, release, createTwin }: PooledSandboxOptions) {
    this.id = sandbox.id;
    this.workspace = sandbox.workspace;
    this.#sandbox = sandbox;
    this.#execDurations = execDurations;
    this.#release = release;
    if (sandbox.fork !== undefined) {
      this.fork = (options) => forkByCopy(sandbox, createTwin, options);
    }
  }

  get closed(): Promise<void> | undefined {
    return this.#sandbox.closed;
  }

  exec(command: Command, options: ExecOptions): Promise<ExecResult> {
    return this.#execDurations.time(() => this.#sandbox.exec(command, options));
  }

  spawn(command: Command, options: { signal: AbortSignal }): Promise<SandboxProcess> {
    return this.#sandbox.spawn(command, options);
  }

  readFile(path: string, options: { signal: AbortSignal; maxBytes?: number }): Promise<Uint8Array> {
    return this.#sandbox.readFile(path, options);
  }

  writeFile(path: string, content: Uint8Array, options: { signal: AbortSignal }): Promise<void> {
    return this.#sandbox.writeFile(path, content, options);
  }

  upload(tar: Readable, directory: string, options: { signal: AbortSignal }): Promise<void> {
    return this.#sandbox.upload(tar, directory, options);
  }

  download(path: string, options: { signal: AbortSignal }): Promise<Readable> {
    return this.#sandbox.download(path, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }
}
