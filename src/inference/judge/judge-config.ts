/** Settings of the judge model: a server of its own, never the policy's by accident. */
import { z } from "zod";
import { serverConfig } from "../server-config.ts";

export const judgeConfig = z.strictObject({
  base_url: serverConfig.shape.base_url.describe(
    "Root of the judge's OpenAI-compatible API, e.g. http://127.0.0.1:9002/v1; empty means https://api.openai.com/v1.",
  ),
  model_name: z.string().min(1).describe("The judge's model name there."),
  api_key: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Its key. Better in the environment: JUDGE_API_KEY (or OPENAI_API_KEY where base_url is empty).",
    ),
  timeout: z.number().positive().default(120).describe("Seconds one verdict may take."),
  num_max_requests_at_once: z.int().min(1).default(16).describe("Verdicts asked for at once."),
  temperature: z
    .number()
    .min(0)
    .nullable()
    .default(null)
    .describe("Sampling temperature. null = 0 for one vote, 0.7 for several."),
  max_tokens: z.int().min(1).default(2048).describe("Tokens of one verdict, its reasons included."),
  structured_output: z
    .enum(["json_schema", "json_object", "none"])
    .default("json_schema")
    .describe(
      "How the server is made to answer JSON: by the verdict's schema, as any object, or by asking in words. A server that refuses is asked in words.",
    ),
  attempts: z
    .int()
    .min(1)
    .default(3)
    .describe(
      "How often a question is asked while answers are no verdicts; then the rollout fails, unscored.",
    ),
  extra_body: z
    .record(z.string(), z.json())
    .nullable()
    .default(null)
    .describe("Provider-specific fields, merged into every request."),
  cache: z
    .boolean()
    .default(true)
    .describe(
      "Keep verdicts in the cache directory by the hash of all that was asked: none is paid for twice.",
    ),
  may_be_policy: z
    .boolean()
    .default(false)
    .describe(
      "Let the judge be the very model that is judged. It favours itself, and changes as it is trained.",
    ),
});

export type JudgeConfig = z.output<typeof judgeConfig>;
