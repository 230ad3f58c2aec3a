/** How long to wait before asking again. */
import { parseRetryAfterMs } from "../contracts/retry-after.ts";

export type RetryDelayOptions = {
  /** Failures so far, from 1. */
  failures: number;
  /** The server's own word (Retry-After header), when it gave one. */
  retryAfter?: string | undefined;
  nowMs: number;
  /** Uniform in [0, 1). */
  random: () => number;
};

const FIRST_MS = 250;
const LONGEST_MS = 10_000;
const LONGEST_RETRY_AFTER_MS = 120_000;

/**
 * Milliseconds to wait: what Retry-After says (seconds or an HTTP date, two minutes at most), else doubling
 * from a quarter second to ten seconds, each delay drawn from its upper half so that clients spread out.
 */
export function retryDelayMs({ failures, retryAfter, nowMs, random }: RetryDelayOptions): number {
  const told = retryAfter === undefined ? undefined : parseRetryAfterMs(retryAfter, nowMs);
  if (told !== undefined) return Math.min(told, LONGEST_RETRY_AFTER_MS);
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
  return ceiling * (0.5 + random() / 2);
}
