/** Lets a loop sleep until something happens or a time has passed, whichever comes first. */
export class Wakeup {
  #pending = false;
  #wake: (() => void) | undefined;

  /** Ends the current sleep, or the next one when nobody sleeps. */
  notify(): void {
    this.#pending = true;
    this.#wake?.();
  }

  /** Resolves early, without an error, when notified or aborted. */
  async sleep(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#pending && !signal.aborted && timeoutMs > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = Number.isFinite(timeoutMs) ? setTimeout(resolve, timeoutMs) : undefined;
      const onAbort = () => resolve();
      signal.addEventListener("abort", onAbort);
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
      signal.removeEventListener("abort", onAbort);
      clearTimeout(timer);
    }
    this.#pending = false;
  }
}
