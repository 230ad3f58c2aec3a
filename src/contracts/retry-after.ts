/** The Retry-After header, as every HTTP client here reads it. */

/**
 * Milliseconds from `nowMs` that a Retry-After value asks to wait: seconds (fractions too) or an HTTP date, of
 * which one in the past means 0. Undefined when it is neither.
 */
export function parseRetryAfterMs(value: string, nowMs: number): number | undefined {
  const text = value.trim();
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1000;
  // Date.parse takes "-5" for a year; an HTTP date begins with a weekday.
  if (!/^[A-Za-z]{3}/.test(text)) return undefined;
  const dateMs = Date.parse(text);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}
