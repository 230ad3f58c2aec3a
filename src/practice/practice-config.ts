/** How a practice server behaves. The `practice-server` verb makes its flags from this. */
import { z } from "zod";

const share = z.number().min(0).max(1).default(0);

export const practiceConfig = z.strictObject({
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
  fail_rate: share.describe("Share of requests answered with status 500."),
  malformed_rate: share.describe("Share of requests answered with a body that is no completion."),
  rate_limit: z
    .number()
    .min(0)
    .default(0)
    .describe("Requests per second beyond which 429 with Retry-After is answered; 0 = no limit."),
  model_name: z.string().min(1).default("practice").describe("Model name that /v1/models lists."),
});

export type PracticeConfig = z.output<typeof practiceConfig>;
