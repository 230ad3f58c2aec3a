/**
 * Python sessions for many rollouts out of one sandbox: forks of one warm interpreter, a millisecond each instead of
 * the twenty and more that a sandbox and an interpreter of one's own cost. Made when first asked for, and again when
 * it was lost.
 *
 * Sessions have processes, variables and a directory of their own, but share the sandbox: code that sets out to can
 * see and kill what its neighbours run. For models whose code does no such thing.
 */
import { PassThrough, Writable } from "node:stream";
import { LachesisError } from "../contracts/errors.ts";
import type { Sandbox, SandboxBackend, SandboxProcess } from "../contracts/sandbox.ts";
import { nurseryCommand } from "./python-driver.ts";
import type { PythonHome } from "./python-home.ts";

const headerBytes = 9;
const kinds = { open: "O", input: "I", kill: "K", stdout: "o", stderr: "e", exit: "x" } as const;

export class PythonNursery implements AsyncDisposable {
  readonly #backend: SandboxBackend;
  readonly #closing = new AbortController();
  #open: Promise<OpenNursery> | undefined;

  /** The backend stays its owner's. */
  constructor(backend: SandboxBackend) {
    this.#backend = backend;
  }

  /** A place for the session of a rollout. */
  home(rolloutId: string): PythonHome {
    return {
      id: `Session of ${rolloutId}`,
      spawn: async ({ signal }) => {
        const nursery = await this.#opened();
        signal.throwIfAborted();
        return nursery.spawn();
      },
      proveAlive: async ({ signal }) => {
        await (await this.#opened()).proveAlive(signal);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new LachesisError("SANDBOX_CLOSED", "The Python nursery has been closed."));
    const nursery = await this.#open?.catch(() => undefined);
    await nursery?.[Symbol.asyncDispose]();
  }

  /** One that is at work. No single rollout's signal may end it. */
  async #opened(): Promise<OpenNursery> {
    this.#open ??= this.#start();
    const opening = this.#open;
    const nursery = await opening;
    if (!nursery.isOver) return nursery;
    if (this.#open === opening) this.#open = undefined;
    return await this.#opened();
  }

  #start(): Promise<OpenNursery> {
    const opening = OpenNursery.start(this.#backend, this.#closing.signal);
    opening.then(
      (nursery) => void nursery.ended.then(() => nursery[Symbol.asyncDispose]()),
      () => {
        if (this.#open === opening) this.#open = undefined;
      },
    );
    return opening;
  }
}

/** One sandbox with its warm interpreter. */
class OpenNursery implements AsyncDisposable {
  readonly ended: Promise<void>;
  readonly #sandbox: Sandbox;
  readonly #process: SandboxProcess;
  readonly #sessions = new Map<number, NurserySession>();
  #buffered: Buffer = Buffer.alloc(0);
  #last = 0;
  /** The interpreter has ended, and all sessions with it. */
  isOver = false;

  private constructor(sandbox: Sandbox, process: SandboxProcess) {
    this.#sandbox = sandbox;
    this.#process = process;
    for (const stream of [process.stdin, process.stdout, process.stderr]) stream.on("error", () => {});
    process.stdout.on("data", (chunk: Buffer) => this.#read(chunk));
    process.stderr.resume();
    this.ended = process.exited.then(() => {
      this.isOver = true;
      for (const session of this.#sessions.values()) session.onExit(137);
      this.#sessions.clear();
    });
  }

  static async start(backend: SandboxBackend, signal: AbortSignal): Promise<OpenNursery> {
    const sandbox = await backend.create({ rolloutId: "python-nursery", signal });
    try {
      const process = await sandbox.spawn(nurseryCommand(sandbox.workspace), { signal });
      return new OpenNursery(sandbox, process);
    } catch (error) {
      await sandbox[Symbol.asyncDispose]();
      throw error;
    }
  }

  spawn(): SandboxProcess {
    this.#last += 1;
    const number = this.#last;
    const session = new NurserySession((kind, payload) => this.#send(kind, number, payload));
    if (this.isOver) session.onExit(137);
    else {
      this.#sessions.set(number, session);
      this.#send(kinds.open, number);
    }
    return session;
  }

  async proveAlive(signal: AbortSignal): Promise<void> {
    await this.#sandbox.exec({ argv: ["true"], cwd: "/" }, { timeoutMs: 10_000, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sandbox[Symbol.asyncDispose]();
    await this.ended;
  }

  #send(kind: string, number: number, payload: Uint8Array = new Uint8Array()): void {
    if (this.isOver) return;
    const frame = Buffer.allocUnsafe(headerBytes + payload.length);
    frame.write(kind, 0, "latin1");
    frame.writeUInt32BE(number, 1);
    frame.writeUInt32BE(payload.length, 5);
    frame.set(payload, headerBytes);
    this.#process.stdin.write(frame);
  }

  /** User code can write here, too, if it wants to: what is no frame ends the nursery. */
  #read(chunk: Buffer): void {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    while (this.#buffered.length >= headerBytes) {
      const kind = this.#buffered.toString("latin1", 0, 1);
      const end = headerBytes + this.#buffered.readUInt32BE(5);
      const session = this.#sessions.get(this.#buffered.readUInt32BE(1));
      if (session === undefined || end > 1_048_576) {
        this.#buffered = Buffer.alloc(0);
        void this.#process.kill();
        return;
      }
      if (this.#buffered.length < end) return;
      const payload = this.#buffered.subarray(headerBytes, end);
      if (kind === kinds.stdout) session.stdout.write(payload);
      else if (kind === kinds.stderr) session.stderr.write(payload);
      else if (kind === kinds.exit) {
        this.#sessions.delete(this.#buffered.readUInt32BE(1));
        session.onExit(payload.readUInt16BE(0));
      }
      this.#buffered = this.#buffered.subarray(end);
    }
  }
}

class NurserySession implements SandboxProcess {
  readonly stdin: Writable;
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly exited: Promise<number>;
  readonly #send: (kind: string, payload?: Uint8Array) => void;
  readonly #exit = Promise.withResolvers<number>();
  #hasExited = false;

  constructor(send: (kind: string, payload?: Uint8Array) => void) {
    this.#send = send;
    this.exited = this.#exit.promise;
    this.stdin = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (!this.#hasExited) send(kinds.input, chunk);
        done();
      },
    });
  }

  onExit(code: number): void {
    this.#hasExited = true;
    this.#exit.resolve(code);
    this.stdout.end();
    this.stderr.end();
  }

  async kill(): Promise<void> {
    if (!this.#hasExited) this.#send(kinds.kill);
    await this.exited;
  }
}
