/** The faults that a practice server commits on purpose, so that environments can be tried against them. */
import type { PracticeConfig } from "./practice-config.ts";
import { seededRandom } from "./seeded-random.ts";

export type Fault = "rate-limited" | "failed" | "malformed";

/** Bodies under status 200 that are no completion, each in another way. */
const malformedBodies = [
  {
    contentType: "application/json",
    body: '{"id":"chatcmpl-broken","choices":[{"index":0,"message":{"role":"assi',
  },
  { contentType: "text/html", body: "<html><body><h1>It works!</h1></body></html>" },
  { contentType: "application/json", body: '{"id":"chatcmpl-broken","choices":[]}' },
  { contentType: "application/json", body: '{"choices":[{"index":0,"finish_reason":"stop"}]}' },
] as const;

export type MalformedBody = (typeof malformedBodies)[number];

const windowMs = 1_000;

export class FaultPlan {
  readonly #config: PracticeConfig;
  readonly #random: () => number;
  readonly #now: () => number;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #acceptedInWindow = 0;
  #malformed = 0;

  constructor({ config, now }: { config: PracticeConfig; now: () => number }) {
    this.#config = config;
    this.#now = now;
    this.#random = seededRandom(config.seed ^ 0x5fa17);
  }

  /** What goes wrong with the next request; null = nothing. */
  next(): Fault | null {
    if (this.#overRateLimit()) return "rate-limited";
    const { fail_rate, malformed_rate } = this.#config;
    const draw = this.#random();
    if (draw < fail_rate) return "failed";
    // What failed is out already: the share is of all requests.
    return draw < fail_rate + malformed_rate ? "malformed" : null;
  }

  malformedBody(): MalformedBody {
    const [first] = malformedBodies;
    this.#malformed += 1;
    return malformedBodies[this.#malformed % malformedBodies.length] ?? first;
  }

  /** Whole seconds, at least one, until requests are accepted again. */
  retryAfterSeconds(): number {
    return Math.max(1, Math.ceil((this.#windowStartMs + windowMs - this.#now()) / 1000));
  }

  /** Between half and one and a half times the mean. */
  latencyMs(): number {
    const { latency_ms } = this.#config;
    return latency_ms === 0 ? 0 : latency_ms * (0.5 + this.#random());
  }

  #overRateLimit(): boolean {
    const { rate_limit } = this.#config;
    if (rate_limit === 0) return false;
    const now = this.#now();
    if (now - this.#windowStartMs >= windowMs) {
      this.#windowStartMs = now;
      this.#acceptedInWindow = 0;
    }
    if (this.#acceptedInWindow >= rate_limit) return true;
    this.#acceptedInWindow += 1;
    return false;
  }
}
