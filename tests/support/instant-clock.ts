/** A clock whose sleeps take no real time: they move `now` on and are written down. */
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../src/inference/clock.ts";

export class InstantClock implements Clock {
  readonly sleeps: number[] = [];
  #nowMs = Date.UTC(2026, 0, 1);

  now = (): number => this.#nowMs;

  sleep = async (durationMs: number, { signal }: { signal: AbortSignal }): Promise<void> => {
    signal.throwIfAborted();
    this.sleeps.push(durationMs);
    this.#nowMs += durationMs;
    await setImmediate();
    signal.throwIfAborted();
  };
}
