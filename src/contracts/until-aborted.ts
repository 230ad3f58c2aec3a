/**
 * Stops waiting when a signal aborts, also for work that pays no heed to it: settles as `work` does, or rejects
 * with the signal's reason as soon as it aborts. The work itself is not stopped (whoever started it disposes of
 * what it runs on); what it comes to later is dropped.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
