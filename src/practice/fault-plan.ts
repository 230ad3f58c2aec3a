/** The faults that a practice server commits on purpose, so that environments can be tried against them. */
import { type AnswerFault, answerFaults } from "./answer-faults.ts";
import type { PracticeConfig } from "./practice-config.ts";
import { seededRandom } from "./seeded-random.ts";

export type Fault = "rate-limited" | "failed" | "malformed" | "died" | AnswerFault;

/** In the order in which a draw tries them. */
const shareOf = {
  failed: "fail_rate",
  malformed: "malformed_rate",
  died: "die_rate",
  "dropped-logprobs": "drop_logprobs_rate",
  "unequal-lengths": "unequal_rate",
  "floored-logprobs": "floor_logprobs_rate",
  cut: "cut_rate",
  aborted: "abort_rate",
  "wrong-count": "wrong_count_rate",
} as const satisfies Record<string, keyof PracticeConfig>;

const drawn = ["failed", "malformed", "died", ...answerFaults] as const;

export const isAnswerFault = (fault: Fault | null): fault is AnswerFault =>
  answerFaults.some((one) => one === fault);

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
    const draw = this.#random();
    let bound = 0;
    for (const fault of drawn) {
      // Shares are of all requests, hence one after the other.
      bound += this.#config[shareOf[fault]];
      if (draw < bound) return fault;
    }
    return null;
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
