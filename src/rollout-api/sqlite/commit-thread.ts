/**
 * A store file in a thread of its own, and group commit: what comes while a commit runs shares the next one.
 * Two commits are under way at most, so that the disk has work while this thread is busy.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { type ErrorCode, errorCodes } from "../../contracts/error-codes.ts";
import { LachesisError } from "../../contracts/errors.ts";
import type {
  CommitAnswer,
  CommitRequest,
  ReadRequest,
  ThreadFailure,
  WorkerSettings,
} from "./commit-messages.ts";
import { ReadMemory } from "./read-memory.ts";
import type { RunChanges } from "./run-changes.ts";
import { parseStoredRuns, type StoredRuns } from "./stored-runs.ts";

const MOST_UNDER_WAY = 2;

type Reads = Extract<CommitAnswer, { kind: "committed" }>["reads"];
type Settled = { resolve: (answer: CommitAnswer) => void; reject: (error: unknown) => void };

/** A commit that is still taking in work. */
type OpenCommit = { reads: ReadRequest[]; done: Promise<Reads> };

/** `release` gives the bodies' memory back: they are not to be touched afterwards. */
export type ReadBodies = { bodies: Buffer[]; release: () => void };

export class CommitThread implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #collect: () => RunChanges[];
  /** Whoever waits for an answer, in the order of asking. */
  readonly #waiting: Settled[] = [];
  readonly #readMemory = new ReadMemory();
  #underWay = 0;
  #open: OpenCommit | undefined;
  #lastSent: Promise<unknown> = Promise.resolve();
  /** Lets the open commit go. */
  #release: (() => void) | undefined;
  #isBroken = false;
  /** Set once the thread is gone. */
  #end: LachesisError | undefined;

  /** `collect` gives all changes since it was last called; it is called when a commit begins. */
  constructor({ collect, ...settings }: WorkerSettings & { collect: () => RunChanges[] }) {
    this.#collect = collect;
    // Sources run as they are, and the build turns .ts into .js.
    const entry = new URL(`./commit-worker${extname(import.meta.filename)}`, import.meta.url);
    this.#worker = new Worker(entry, { workerData: settings, name: "run-api store" });
    this.#worker.on("message", (answer: CommitAnswer) => this.#settle(answer));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(new Error("the store's thread has ended")));
  }

  /** A commit failed: nothing is stored any more until everything was loaded anew. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Reads everything; drops changes that were not stored. */
  async load(): Promise<StoredRuns & { lostGroups: number }> {
    this.#collect();
    const answer = await this.#ask({ kind: "load" });
    if (answer.kind !== "loaded") throw new LachesisError("INTERNAL", `expected loaded, got ${answer.kind}`);
    const stored = parseStoredRuns(answer.tables);
    this.#isBroken = false;
    return { ...stored, lostGroups: answer.lostGroups };
  }

  /** Resolves once everything that happened so far is stored. */
  async commit(): Promise<void> {
    await this.#join().done;
  }

  /**
   * The bodies of these groups, which have about so many bytes together, as they are after everything that
   * happened so far; null = one is gone. Rejects with STORE_CORRUPT.
   */
  async read(ids: readonly number[], bytes: number): Promise<ReadBodies | null> {
    const memory = this.#readMemory.take(bytes);
    const release = () => this.#readMemory.give(memory);
    const commit = this.#join();
    const index = commit.reads.push({ ids: [...ids], memory }) - 1;
    const lengths = (await commit.done)[index] ?? null;
    if (lengths === null || !Array.isArray(lengths)) {
      release();
      if (lengths === null) return null;
      throw failureOf(lengths);
    }
    const ends = lengths.map((_, body) =>
      lengths.slice(0, body + 1).reduce((sum, length) => sum + length, 0),
    );
    const needed = ends.at(-1) ?? 0;
    if (needed > memory.byteLength) {
      release();
      return this.read(ids, needed);
    }
    const bodies = lengths.map((length, body) => Buffer.from(memory, (ends[body] ?? 0) - length, length));
    return { bodies, release };
  }

  /** Resolves once what has been sent is stored. */
  async sent(): Promise<void> {
    await this.#lastSent;
  }

  #join(): OpenCommit {
    if (this.#open !== undefined) return this.#open;
    const turn = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    const reads: ReadRequest[] = [];
    const done = turn.then(() => this.#send(reads));
    this.#open = { reads, done };
    this.#lastSent = done;
    // Whoever joined hears of it; nobody else needs to.
    done.catch(() => undefined);
    if (this.#underWay < MOST_UNDER_WAY) this.#release?.();
    return this.#open;
  }

  async #send(reads: ReadRequest[]): Promise<Reads> {
    this.#open = undefined;
    this.#underWay++;
    try {
      const changes = this.#collect();
      if (this.#isBroken) throw new LachesisError("STORE_WRITE_FAILED", "an earlier write failed");
      const answer = await this.#ask(
        { kind: "commit", changes, reads },
        changes.flatMap(({ bodies }) => bodies.map(({ body }) => body.buffer)),
      );
      if (answer.kind !== "committed")
        throw new LachesisError("INTERNAL", `expected committed, got ${answer.kind}`);
      return answer.reads;
    } finally {
      this.#underWay--;
      this.#release?.();
    }
  }

  #ask(request: CommitRequest, transfer: ArrayBuffer[] = []): Promise<CommitAnswer> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request, transfer);
    });
  }

  #settle(answer: CommitAnswer): void {
    const waiting = this.#waiting.shift();
    if (answer.kind === "failed") {
      this.#isBroken = true;
      waiting?.reject(failureOf(answer));
    } else waiting?.resolve(answer);
  }

  /** The thread is gone: nobody gets an answer any more. */
  #fail(cause: unknown): void {
    this.#isBroken = true;
    this.#end ??= new LachesisError("STORE_WRITE_FAILED", "the store's thread has ended", { cause });
    for (const { reject } of this.#waiting.splice(0)) reject(this.#end);
  }

  /** Waits for what has been asked, closes the file and ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lastSent.catch(() => undefined);
    await this.#ask({ kind: "close" }).catch(() => undefined);
    await this.#worker.terminate();
  }
}

function failureOf({ code, message, hint }: ThreadFailure): LachesisError {
  const known = isErrorCode(code) ? code : "INTERNAL";
  return new LachesisError(known, message, {
    retryable: known === "STORE_WRITE_FAILED",
    ...(hint === undefined ? {} : { hint }),
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}
