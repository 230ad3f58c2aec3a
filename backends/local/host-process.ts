/** A child process of this host as one that may be waited for, with the end of what it wrote to stderr. */
import type { ChildProcess } from "node:child_process";
import { Writable } from "node:stream";
import { CappedOutput } from "../../src/tools/capped-output.ts";

const complaintLimitBytes = 4_096;

export class HostProcess {
  /** How it ended, in words. Settles once; never rejects. */
  readonly ended: Promise<string>;
  readonly child: ChildProcess;
  readonly #complaint = new CappedOutput(complaintLimitBytes);
  #hasEnded = false;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stderr?.on("data", (chunk: Buffer) => this.#complaint.write(chunk));
    child.stderr?.on("error", () => {});
    const { promise, resolve } = Promise.withResolvers<string>();
    const end = (how: string) => {
      this.#hasEnded = true;
      resolve(how);
    };
    child.once("error", (error) => end(error.message));
    child.once("close", (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
    this.ended = promise;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What it wrote to stderr, shortened. */
  get complaint(): string {
    return this.#complaint.bytes().toString().trim();
  }
}

/** Writes everything to one of a child's pipes and ends it. */
export function sendAll(stream: unknown, text: string): void {
  if (!(stream instanceof Writable)) return;
  // A child that failed early no longer reads; its exit tells why.
  stream.on("error", () => {});
  stream.end(text);
}
