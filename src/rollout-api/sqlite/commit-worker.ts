/**
 * The thread that owns a store file. After a write failed it refuses everything until it was told to load,
 * because what follows was decided as if the write had been done.
 */
import { parentPort, workerData } from "node:worker_threads";
import { LachesisError } from "../../contracts/errors.ts";
import type {
  BodiesRead,
  CommitAnswer,
  CommitRequest,
  ReadRequest,
  ThreadFailure,
  WorkerSettings,
} from "./commit-messages.ts";
import { writeError } from "./store-errors.ts";
import { StoreFile } from "./store-file.ts";

/** Bodies are deleted when nothing has come for so long, and then in pieces that hold nobody up. */
const QUIET_MS = 20;
const SWEPT_AT_ONCE = 64;

class CommitWorker {
  readonly #settings: WorkerSettings;
  #file: StoreFile | undefined;
  #failure: LachesisError | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
  }

  answer(request: CommitRequest): CommitAnswer {
    clearTimeout(this.#sweepTimer);
    try {
      return this.#answer(request);
    } catch (error) {
      const failure = writeError(error);
      this.#failure = failure;
      return failed(failure);
    } finally {
      this.#sweepLater(QUIET_MS);
    }
  }

  #answer(request: CommitRequest): CommitAnswer {
    if (request.kind === "close") {
      this.#file?.[Symbol.dispose]();
      this.#file = undefined;
      return { kind: "closed" };
    }
    if (request.kind === "load") {
      this.#file ??= new StoreFile(this.#settings.path, this.#settings.sync);
      const loaded = this.#file.load();
      this.#failure = undefined;
      return { kind: "loaded", ...loaded };
    }
    if (this.#failure !== undefined) throw this.#failure;
    const file = this.#file;
    if (file === undefined) throw new LachesisError("INTERNAL", "the store's thread was not told to load");
    file.write(request.changes);
    return { kind: "committed", reads: request.reads.map((read) => readBodies(file, read)) };
  }

  #sweepLater(delayMs: number): void {
    if (this.#file === undefined || this.#failure !== undefined) return;
    this.#sweepTimer = setTimeout(() => {
      try {
        if (this.#file?.sweep(SWEPT_AT_ONCE)) this.#sweepLater(0);
      } catch {
        // Deleting can wait: the next commit meets the same disk, and tells.
      }
    }, delayMs);
  }
}

/** What can't be read concerns its reader only: everything was written. */
function readBodies(file: StoreFile, { ids, memory }: ReadRequest): BodiesRead {
  try {
    return file.readBodies(ids, new Uint8Array(memory));
  } catch (error) {
    return failed(writeError(error));
  }
}

function failed({ code, message, hint }: LachesisError): ThreadFailure {
  return { kind: "failed", code, message, hint };
}

const port = parentPort;
if (port === null) throw new LachesisError("INTERNAL", "this module is a thread's");
const worker = new CommitWorker(workerData);
port.on("message", (request: CommitRequest) => {
  const answer = worker.answer(request);
  port.postMessage(answer);
  if (request.kind === "close") port.close();
});
