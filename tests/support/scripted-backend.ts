/** A backend whose every creation, command and end a test decides, and that knows what exists. */
import { LachesisError } from "../../src/contracts/errors.ts";
import type {
  ExecResult,
  Sandbox,
  SandboxBackend,
  SandboxRequest,
  SandboxSpec,
} from "../../src/contracts/sandbox.ts";

export type PendingCreation = {
  readonly spec: SandboxSpec | undefined;
  succeed(): ScriptedSandbox;
  fail(error: unknown): void;
};

const ok: ExecResult = {
  exitCode: 0,
  stdout: new Uint8Array(),
  stderr: new Uint8Array(),
  timedOut: false,
  stdoutDroppedBytes: 0,
  stderrDroppedBytes: 0,
  durationMs: 0,
};

export class ScriptedBackend implements SandboxBackend {
  readonly name = "scripted";
  /** Creations that the test has not decided yet, the oldest first. */
  readonly pending: PendingCreation[] = [];
  readonly live = new Set<ScriptedSandbox>();
  /** Most that existed at once, creations under way included. */
  peak = 0;
  created = 0;
  isClosed = false;
  /** When set, creations succeed by themselves. */
  isAutomatic: boolean;

  constructor({ isAutomatic = false } = {}) {
    this.isAutomatic = isAutomatic;
  }

  async check(): Promise<void> {}

  async create({ spec, signal }: SandboxRequest): Promise<Sandbox> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<ScriptedSandbox>();
    const leave = () => {
      const index = this.pending.indexOf(creation);
      if (index !== -1) this.pending.splice(index, 1);
      signal.removeEventListener("abort", onAbort);
    };
    const onAbort = () => {
      leave();
      reject(signal.reason);
    };
    const creation: PendingCreation = {
      spec,
      succeed: () => {
        leave();
        this.created += 1;
        const sandbox = new ScriptedSandbox(`scripted-${this.created}`, spec, () =>
          this.live.delete(sandbox),
        );
        this.live.add(sandbox);
        resolve(sandbox);
        return sandbox;
      },
      fail: (error) => {
        leave();
        reject(error);
      },
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.pending.push(creation);
    this.peak = Math.max(this.peak, this.pending.length + this.live.size);
    if (this.isAutomatic) creation.succeed();
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
  }
}

export class ScriptedSandbox implements Sandbox {
  readonly id: string;
  readonly workspace = "/workspace";
  readonly spec: SandboxSpec | undefined;
  readonly closed: Promise<void>;
  readonly #forget: () => void;
  readonly #close: () => void;
  /** It no longer answers, and says so only when asked. */
  isDead = false;
  execs = 0;

  constructor(id: string, spec: SandboxSpec | undefined, forget: () => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.id = id;
    this.spec = spec;
    this.closed = promise;
    this.#close = resolve;
    this.#forget = forget;
  }

  /** Ends it from outside, as an operator would: everybody can see it. */
  kill(): void {
    this.isDead = true;
    this.#close();
  }

  async exec(): Promise<ExecResult> {
    this.execs += 1;
    if (this.isDead) throw new LachesisError("SANDBOX_DIED", `${this.id} died`, { retryable: true });
    return ok;
  }

  spawn(): Promise<never> {
    return Promise.reject(new Error("not scripted"));
  }
  readFile(): Promise<never> {
    return Promise.reject(new Error("not scripted"));
  }
  async writeFile(): Promise<void> {}
  async upload(): Promise<void> {}
  download(): Promise<never> {
    return Promise.reject(new Error("not scripted"));
  }

  /** Takes a turn of the event loop, as a real end does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise(setImmediate);
    this.#close();
    this.#forget();
  }
}
