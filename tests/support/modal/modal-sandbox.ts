/**
 * A sandbox of the loopback Modal server: a directory as its root, in which bubblewrap runs each of its commands,
 * in a process namespace that ends with the command. Its own end is remembered, as Modal does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";

export type ModalSandboxDefinition = {
  imageId: string;
  secretIds: string[];
  resources: {
    memoryMb: number;
    memoryMbMax: number;
    milliCpu: number;
    gpuConfig: { count: number; gpuType: string };
  };
  timeoutSecs: number;
  idleTimeoutSecs: number;
  networkAccess: { networkAccessType: number };
  schedulerPlacement: { regions: string[] } | null;
};

export type ModalTag = { tagName: string; tagValue: string };
/** As GenericStatus of the protocol. */
export const modalStatus = { success: 1, terminated: 3, timeout: 4 } as const;
const networkBlocked = 2;
const mergedDirectories = ["/bin", "/sbin", "/lib", "/lib64"];

export class ModalSandbox {
  readonly id: string;
  readonly taskId: string;
  readonly createdAt = performance.timeOrigin / 1_000 + performance.now() / 1_000;
  readonly definition: ModalSandboxDefinition;
  readonly tags: ModalTag[];
  readonly execs = new Map<string, ModalExec>();
  /** Settles with the status of its end. */
  readonly ended: Promise<number>;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #root: string;
  readonly #lifetime: NodeJS.Timeout;
  readonly #end = Promise.withResolvers<number>();
  #ending: Promise<void> | undefined;

  constructor(options: {
    id: string;
    definition: ModalSandboxDefinition;
    tags: ModalTag[];
    environment: Readonly<Record<string, string>>;
  }) {
    this.id = options.id;
    this.taskId = `ta-${options.id}`;
    this.definition = options.definition;
    this.tags = options.tags;
    this.ended = this.#end.promise;
    this.#environment = options.environment;
    this.#root = mkdtempSync(join(tmpdir(), `modal-server-${process.pid}-`));
    for (const name of ["tmp", "root", "image-workspace"]) mkdirSync(join(this.#root, name));
    const lifetimeMs = options.definition.timeoutSecs * 1_000;
    this.#lifetime = setTimeout(() => void this.terminate(modalStatus.timeout), lifetimeMs);
  }

  get isRunning(): boolean {
    return this.#ending === undefined;
  }

  start(execId: string, argv: readonly string[], workdir: string): void {
    const isOffline = this.definition.networkAccess.networkAccessType === networkBlocked;
    const child = spawn(
      "bwrap",
      [
        ...["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session"],
        ...(isOffline ? ["--unshare-net"] : []),
        ...["--clearenv", "--info-fd", "3", "--bind", this.#root, "/", "--ro-bind", "/usr", "/usr"],
        ...mergedDirectories.flatMap((path) => ["--symlink", `usr${path}`, path]),
        ...["--ro-bind-try", "/etc/alternatives", "/etc/alternatives"],
        ...["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"],
        ...["--proc", "/proc", "--dev", "/dev", "--chdir", workdir || "/"],
        ...Object.entries({
          PATH: "/usr/local/bin:/usr/bin:/bin",
          HOME: "/root",
          ...this.#environment,
        }).flatMap(([name, value]) => ["--setenv", name, value]),
        ...["--", ...argv],
      ],
      { stdio: ["pipe", "pipe", "pipe", "pipe"], env: { PATH: process.env.PATH } },
    );
    this.execs.set(execId, new ModalExec(child));
  }

  /** Kills all that runs in it and removes its files. */
  terminate(status: number): Promise<void> {
    this.#ending ??= (async () => {
      clearTimeout(this.#lifetime);
      await Promise.all([...this.execs.values()].map((exec) => exec.kill()));
      await rm(this.#root, { recursive: true, force: true });
      this.#end.resolve(status);
    })();
    return this.#ending;
  }
}

type Output = { chunks: Buffer[]; isEnded: boolean };

/** One command: keeps all it wrote, so that a reader may come back to any offset. */
export class ModalExec {
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #outputs: readonly [Output, Output];
  readonly #initPid = Promise.withResolvers<number | undefined>();
  #changed = Promise.withResolvers<void>();
  #inputBytes = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.exited = new Promise((resolve) => child.once("close", () => resolve()));
    this.#outputs = [this.#collect(child.stdout), this.#collect(child.stderr)];
    child.stdin?.on("error", () => {});
    let info = "";
    child.stdio[3]?.on("data", (chunk: Buffer) => {
      info += String(chunk);
      const pid = /"child-pid": (\d+)/.exec(info)?.[1];
      if (pid !== undefined) this.#initPid.resolve(Number(pid));
    });
    void this.exited.then(() => this.#initPid.resolve(undefined));
  }

  /** The bytes of stdout (0) or stderr (1) from the offset on, until the stream ends or the reader leaves. */
  async *read(descriptor: number, offset: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    const output = this.#outputs[descriptor === 1 ? 1 : 0];
    let skip = offset;
    for (let index = 0; !signal.aborted; ) {
      const chunk = output.chunks[index];
      if (chunk !== undefined) {
        index += 1;
        if (skip < chunk.length) yield chunk.subarray(skip);
        skip = Math.max(0, skip - chunk.length);
      } else if (output.isEnded) {
        return;
      } else {
        await Promise.race([this.#changed.promise, aborted(signal)]);
      }
    }
  }

  /** What lies before the offset has come already: the client repeats itself. */
  async write(offset: number, data: Uint8Array, isEnd: boolean): Promise<void> {
    const { stdin } = this.#child;
    if (!(stdin instanceof Writable)) throw new Error("the command has no stdin");
    if (offset > this.#inputBytes) throw new Error(`input at ${offset}, expected ${this.#inputBytes}`);
    const fresh = data.subarray(this.#inputBytes - offset);
    this.#inputBytes += fresh.length;
    if (fresh.length > 0) {
      await new Promise<void>((resolve) => stdin.write(fresh, () => resolve()));
    }
    if (isEnd) stdin.end();
  }

  async kill(): Promise<void> {
    const pid = await this.#initPid.promise;
    // The first process of the namespace takes all others along.
    if (pid !== undefined && this.#child.exitCode === null) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It was gone already.
      }
    }
    await this.exited;
  }

  #collect(stream: ChildProcess["stdout"]): Output {
    const output: Output = { chunks: [], isEnded: false };
    const tell = () => {
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
    stream?.on("data", (chunk: Buffer) => {
      output.chunks.push(chunk);
      tell();
    });
    stream?.once("close", () => {
      output.isEnded = true;
      tell();
    });
    return output;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
