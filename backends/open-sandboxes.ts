/** The sandboxes of one backend that are there or on their way, so that closing the backend ends them all. */
import { LachesisError } from "../src/contracts/errors.ts";
import type { SupervisedSandbox } from "./supervisor/supervised-sandbox.ts";

export class OpenSandboxes implements AsyncDisposable {
  readonly #closing = new AbortController();
  readonly #creations = new Set<Promise<unknown>>();
  readonly #sandboxes = new Set<SupervisedSandbox>();

  /** Aborts with SANDBOX_CLOSED when the backend is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Runs the creation under a signal that the closing aborts too, and keeps the sandbox until it has ended. */
  async create(
    launch: (signal: AbortSignal) => Promise<SupervisedSandbox>,
    signal: AbortSignal,
  ): Promise<SupervisedSandbox> {
    const either = AbortSignal.any([this.#closing.signal, signal]);
    either.throwIfAborted();
    const creation = launch(either);
    this.#creations.add(creation);
    try {
      const sandbox = await creation;
      this.#sandboxes.add(sandbox);
      void sandbox.closed.then(() => this.#sandboxes.delete(sandbox));
      return sandbox;
    } finally {
      this.#creations.delete(creation);
    }
  }

  /** Cancels what is on its way, disposes of what is there, and waits for both. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new LachesisError("SANDBOX_CLOSED", "The sandbox backend has been closed."));
    await Promise.allSettled(this.#creations);
    await Promise.all([...this.#sandboxes].map((sandbox) => sandbox[Symbol.asyncDispose]()));
  }
}
