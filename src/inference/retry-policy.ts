/** How often a failed request is tried again, and how long is waited before. */
import type { ServerFailure } from "./server-failure.ts";

export type RetryPolicy = {
  /** Attempts that may fail before the request does: the first one and three more. */
  maxAttempts: number;
  /** Attempts that may meet a 429. More than of the others: a busy server is no broken one. */
  maxRateLimitedAttempts: number;
  /** Wait before the second attempt; doubles with each further one. */
  firstDelayMs: number;
  maxDelayMs: number;
  /** A Retry-After beyond this is cut to it. */
  maxRetryAfterMs: number;
};

export const defaultRetryPolicy: RetryPolicy = {
  maxAttempts: 4,
  maxRateLimitedAttempts: 10,
  firstDelayMs: 500,
  maxDelayMs: 10_000,
  maxRetryAfterMs: 60_000,
};

/** Counts one request's failed attempts and says what comes next. */
export class RetryState {
  readonly #policy: RetryPolicy;
  readonly #random: () => number;
  #failed = 0;
  #rateLimited = 0;

  constructor(policy: RetryPolicy, random: () => number) {
    this.#policy = policy;
    this.#random = random;
  }

  get failedAttempts(): number {
    return this.#failed + this.#rateLimited;
  }

  /** Milliseconds to wait before the next attempt, or null when there shall be none. */
  delayAfter(failure: ServerFailure): number | null {
    const { maxAttempts, maxRateLimitedAttempts, firstDelayMs, maxDelayMs } = this.#policy;
    if (failure.kind === "rate-limited") this.#rateLimited += 1;
    else this.#failed += 1;
    if (!failure.retryable) return null;
    if (this.#failed >= maxAttempts || this.#rateLimited >= maxRateLimitedAttempts) return null;
    const ceilingMs = Math.min(maxDelayMs, firstDelayMs * 2 ** (this.failedAttempts - 1));
    // Between half and all of it, so that requests that failed together do not come back together.
    return ceilingMs * (0.5 + 0.5 * this.#random());
  }
}
