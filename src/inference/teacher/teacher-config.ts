/** Settings of the teacher of a distillation: a server that tells the log-probabilities of a prompt's own ids. */
import { z } from "zod";

export const teacherConfig = z.strictObject({
  base_url: z
    .url({ protocol: /^https?$/, error: "expected a URL that starts with http:// or https://" })
    .describe("Root of the teacher's server, e.g. http://127.0.0.1:9003/v1."),
  model_name: z.string().min(1).describe("The teacher's model name there."),
  server_type: z
    .enum(["vllm", "sglang"])
    .default("vllm")
    .describe("vllm: /v1/completions with prompt_logprobs. sglang: /generate with logprob_start_len."),
  tokenizer_name: z
    .string()
    .nullable()
    .default(null)
    .describe("The teacher's tokenizer, named as env.tokenizer_name is. null = model_name."),
  api_key: z
    .string()
    .nullable()
    .default(null)
    .describe("Key of the teacher's server. Better in the environment: TEACHER_API_KEY."),
  timeout: z.number().positive().default(600).describe("Seconds one sequence may take."),
  num_max_requests_at_once: z.int().min(1).default(8).describe("Sequences scored at once."),
});

export type TeacherConfig = z.output<typeof teacherConfig>;
