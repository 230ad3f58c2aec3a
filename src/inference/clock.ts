/** Time as the inference layer sees it; tests pass one that need not wait. */
import { setTimeout as delay } from "node:timers/promises";

export type Clock = {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Rejects with the signal's reason when aborted. `ref: false` does not keep the process alive. */
  sleep(durationMs: number, options: { signal: AbortSignal; ref?: boolean }): Promise<void>;
};

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (durationMs, { signal, ref = true }) => {
    signal.throwIfAborted();
    try {
      await delay(durationMs, undefined, { signal, ref });
    } catch (thrown) {
      signal.throwIfAborted();
      throw thrown;
    }
  },
};
