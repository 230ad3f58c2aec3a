/** Calls what environments write themselves, and tells its mistakes from failures of sandboxes and servers. */
import { LachesisError } from "../contracts/errors.ts";
import { untilAborted } from "../contracts/until-aborted.ts";

export class OwnCode {
  readonly #rolloutId: string;
  readonly #signal: AbortSignal;
  readonly #thrown = new WeakSet<LachesisError>();

  constructor({ rolloutId, signal }: { rolloutId: string; signal: AbortSignal }) {
    this.#rolloutId = rolloutId;
    this.#signal = signal;
  }

  /**
   * Rejects with ENV_FAILED where the code throws, with a retryable LachesisError as it is (a sandbox died under it),
   * or with the signal's reason.
   */
  async call<Result>(method: string, code: () => Promise<Result>): Promise<Result> {
    try {
      return await untilAborted(code(), this.#signal);
    } catch (thrown) {
      this.#signal.throwIfAborted();
      if (thrown instanceof LachesisError && thrown.retryable) throw thrown;
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      const message = `${method} of rollout ${this.#rolloutId} threw: ${reason}`;
      const error = new LachesisError("ENV_FAILED", message, { cause: thrown, retryable: true });
      this.#thrown.add(error);
      throw error;
    }
  }

  threw(error: LachesisError): boolean {
    return this.#thrown.has(error);
  }
}
