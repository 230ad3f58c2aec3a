/**
 * A supervisor's job as a `SandboxProcess`: live streams with backpressure both ways. A reader that stalls
 * stalls the process and nobody else; a reader that destroys its stream lets the process run on unheard.
 */
import { Readable, Writable } from "node:stream";
import type { SandboxProcess } from "../../src/contracts/sandbox.ts";
import {
  creditBatchBytes,
  inputWindowBytes,
  type Job,
  type JobListener,
  type OutputStream,
} from "./supervisor-connection.ts";

export class SupervisedProcess implements SandboxProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<number>;
  readonly #job: Job;
  readonly #killTree: (job: Job) => Promise<void>;

  /** @param killTree kills the job and settles when its last process is gone; never rejects. */
  constructor(start: (listener: JobListener) => Job, killTree: (job: Job) => Promise<void>) {
    const input = new InputWindow();
    const outputs = { stdout: new OutputWindow("stdout"), stderr: new OutputWindow("stderr") };
    this.#job = start({
      onOutput: (stream, chunk) => outputs[stream].receive(chunk),
      onEnd: (stream) => outputs[stream].end(),
      onInputTaken: (bytes) => input.taken(bytes),
    });
    input.attach(this.#job);
    outputs.stdout.attach(this.#job);
    outputs.stderr.attach(this.#job);
    this.stdin = input.stream;
    this.stdout = outputs.stdout.stream;
    this.stderr = outputs.stderr.stream;
    this.#killTree = killTree;
    this.exited = this.#job.exited
      .catch(() => 137)
      .then((exitCode) => {
        input.close();
        return exitCode;
      });
  }

  kill(): Promise<void> {
    return this.#killTree(this.#job);
  }
}

/**
 * The process' output: credit goes back as fast as the reader takes chunks, in batches. What is kept back is less
 * than the window, so that the process never waits for it.
 */
class OutputWindow {
  readonly stream: Readable;
  readonly #name: OutputStream;
  #job: Job | undefined;
  #untakenBytes = 0;

  constructor(name: OutputStream) {
    this.#name = name;
    this.stream = new Readable({ read: () => this.#grant(), highWaterMark: creditBatchBytes });
    this.stream.once("close", () => this.#grant());
  }

  attach(job: Job): void {
    this.#job = job;
  }

  receive(chunk: Buffer): void {
    this.#untakenBytes += chunk.length;
    if (this.stream.destroyed || this.stream.push(chunk)) this.#grant();
  }

  end(): void {
    if (!this.stream.destroyed) this.stream.push(null);
  }

  #grant(): void {
    if (this.#untakenBytes < creditBatchBytes) return;
    this.#job?.grantCredit(this.#name, this.#untakenBytes);
    this.#untakenBytes = 0;
  }
}

/**
 * The process' input. What is written after the process has gone is dropped without an error, as its end is
 * told by `exited`, and a stream error that nobody listens for would end the host.
 */
class InputWindow {
  readonly stream: Writable;
  #job: Job | undefined;
  #roomBytes = inputWindowBytes;
  #rest: Buffer = Buffer.alloc(0);
  #done: (() => void) | undefined;
  #isClosed = false;

  constructor() {
    this.stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#rest = chunk;
        this.#done = done;
        this.#pump();
      },
      final: (done) => {
        this.#end();
        done();
      },
      destroy: (_error, done) => {
        this.#end();
        done(null);
      },
    });
  }

  attach(job: Job): void {
    this.#job = job;
  }

  taken(bytes: number): void {
    this.#roomBytes += bytes;
    this.#pump();
  }

  close(): void {
    this.#isClosed = true;
    this.#pump();
  }

  #pump(): void {
    while (this.#rest.length > 0 && this.#roomBytes > 0 && !this.#isClosed) {
      const part = this.#rest.subarray(0, Math.min(this.#roomBytes, 65_536));
      this.#rest = this.#rest.subarray(part.length);
      this.#roomBytes -= part.length;
      this.#job?.sendInput(part);
    }
    if (this.#rest.length > 0 && !this.#isClosed) return;
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#job?.sendInput(Buffer.alloc(0));
  }
}
