/** One call to a server within its `timeout`, whatever the client: what ended it is told apart here. */
import { longestTimerMs } from "../contracts/longest-timer.ts";
import { ServerFailure } from "./server-failure.ts";

export type TimedAttemptOptions = {
  baseUrl: string;
  timeoutSeconds: number;
  /** Makes a ServerFailure of what the client threw by itself. */
  describe: (thrown: unknown) => ServerFailure;
};

export class TimedAttempt {
  readonly #options: TimedAttemptOptions;

  constructor(options: TimedAttemptOptions) {
    this.#options = options;
  }

  /**
   * `call` gets a signal that ends with the caller's or with the time limit, and passes it to its client.
   * Rejects with the caller's reason or with a ServerFailure.
   */
  async run<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const { baseUrl, timeoutSeconds, describe } = this.#options;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), Math.min(timeoutSeconds * 1000, longestTimerMs));
    try {
      return await call(AbortSignal.any([signal, timeout.signal]));
    } catch (thrown) {
      signal.throwIfAborted();
      if (!timeout.signal.aborted) throw describe(thrown);
      const message = `${baseUrl} gave no answer within ${timeoutSeconds} s (\`timeout\`)`;
      throw new ServerFailure("unreachable", message);
    } finally {
      clearTimeout(timer);
    }
  }
}
