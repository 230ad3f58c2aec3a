/** How a practice server behaves. The `practice-server` verb makes its flags from this. */
import { z } from "zod";

const share = z.number().min(0).max(1).default(0);

/** Each names a fault; no request has more than one. */
const faultShares = {
  fail_rate: share.describe("Share of requests answered with status 500."),
  malformed_rate: share.describe("Share of requests answered with a body that is no completion."),
  die_rate: share.describe("Share of requests whose connection breaks before or within the answer."),
  drop_logprobs_rate: share.describe("Share of requests answered without log-probabilities."),
  unequal_rate: share.describe("Share of requests answered with fewer log-probabilities than ids."),
  floor_logprobs_rate: share.describe("Share of requests answered with a log-probability of -9999."),
  cut_rate: share.describe('Share of requests whose answer is cut somewhere (finish reason "length").'),
  abort_rate: share.describe('Share of requests whose answer breaks off (finish reason "abort").'),
  wrong_count_rate: share.describe("Share of requests answered with one sequence too many or too few."),
};

export const practiceConfig = z
  .strictObject({
    error_rate: share.describe("Share of rollouts that end with a wrong answer."),
    latency_ms: z
      .number()
      .min(0)
      .default(0)
      .describe("Mean time to answer, milliseconds; each varies by half."),
    seed: z
      .int()
      .min(0)
      .default(0)
      .describe("Decides which rollouts err, how they play, and where faults hit."),
    thinking_rate: share.describe("Share of turns that begin with thinking."),
    drift_rate: share.describe(
      "Share of answers whose ids aren't those that their text would be encoded to.",
    ),
    ...faultShares,
    rate_limit: z
      .number()
      .min(0)
      .default(0)
      .describe("Requests per second beyond which 429 with Retry-After is answered; 0 = no limit."),
    weight_version_every: z
      .int()
      .min(0)
      .default(0)
      .describe("Answers after which the weight version changes; 0 = it stays."),
    max_model_len: z.int().min(16).default(131_072).describe("Longest prompt and answer together, tokens."),
    model_name: z.string().min(1).default("practice").describe("Model name that /v1/models lists."),
  })
  .refine((config) => sumOfShares(config) <= 1 + Number.EPSILON, {
    path: ["fail_rate"],
    error: (issue) => `the shares of all faults add up to more than 1 (${sumOfShares(issue.input)})`,
  });

export type PracticeConfig = z.output<typeof practiceConfig>;

const faultKeys = Object.keys(faultShares);

function sumOfShares(config: unknown): number {
  const entries = Object.entries(typeof config === "object" && config !== null ? config : {});
  const shares = entries.filter(([key]) => faultKeys.includes(key)).map(([, value]) => Number(value));
  return shares.reduce((sum, value) => sum + value, 0);
}
