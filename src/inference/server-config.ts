/** Settings of one inference server: Atropos' field names and defaults, so YAML files and flags carry over. */
import { z } from "zod";

export const serverTypes = ["openai", "vllm", "sglang", "trl", "llamacpp", "atropos"] as const;

export const serverConfig = z.strictObject({
  timeout: z.number().positive().default(1200).describe("Seconds one request may take, its answer included."),
  num_max_requests_at_once: z.int().min(1).default(512).describe("Train requests in flight on this server."),
  num_requests_for_eval: z
    .int()
    .min(1)
    .default(64)
    .describe("Eval requests in flight on this server, counted apart from the train ones."),
  model_name: z.string().min(1).default("default").describe("Model name sent with every request."),
  rolling_buffer_length: z
    .int()
    .min(1)
    .default(1000)
    .describe("Requests per split that the timing statistics look back on."),
  server_type: z
    .enum(serverTypes)
    .default("openai")
    .describe(
      "Wire protocol of the server; `openai` is any OpenAI-compatible chat API, the others give exact tokens.",
    ),
  tokenizer_name: z
    .string()
    .default("none")
    .describe('Tokenizer of the model; "none" takes the one named like the model.'),
  logprob_kind: z
    .enum(["auto", "raw", "processed"])
    .default("auto")
    .describe(
      "What the log-probabilities are of: the raw logits, or the distribution sampled from; `auto`: as the stock server.",
    ),
  api_key: z.string().default("").describe("Bearer token; empty sends no Authorization header."),
  base_url: z
    .union([
      z.literal(""),
      z.url({ protocol: /^https?$/, error: "expected a URL that starts with http:// or https://" }),
    ])
    .default("")
    .describe(
      "Root of the API, e.g. http://127.0.0.1:9001/v1; empty means https://api.openai.com/v1, with `openai` only.",
    ),
  n_kwarg_is_ignored: z
    .boolean()
    .default(false)
    .describe("The server answers one completion whatever `n` says: ask for them one by one."),
  health_check: z
    .boolean()
    .default(true)
    .describe(
      "Set the server aside after repeated failures until it answers a probe (GET /models or /health) again.",
    ),
});

export type ServerConfig = z.output<typeof serverConfig>;

/** The name of the tokenizer that the server's ids are of. */
export const resolveTokenizerName = ({ tokenizer_name, model_name }: ServerConfig): string =>
  tokenizer_name === "none" ? model_name : tokenizer_name;
