/** Stops waiting when a signal aborts, also for work that does not listen to it. */

/**
 * Settles as `work` does, or rejects with the signal's reason as soon as it aborts. The work itself is not
 * stopped: whoever started it disposes of what it runs on. Its later rejection goes nowhere.
 */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([aborted.promise, work]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
