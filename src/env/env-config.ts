/**
 * The configuration of an environment: names and defaults are Atropos', so that YAML files and flags move
 * over unchanged. Keys that Atropos has and Lachesis has no use for are accepted and say so. Environments
 * extend these schemas with `.extend({...})`; both stay strict, an unknown key is an error.
 */
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { terminalFields } from "./terminal-fields.ts";
import { tokenFields } from "./token-fields.ts";
import { toolFields } from "./tool-fields.ts";

const compatibility = (why: string) => `Accepted for Atropos compatibility; ${why}.`;

export const baseEnvConfig = z.strictObject({
  group_size: z.int().min(1).default(4).describe("Rollouts per item; one group holds them all."),
  max_num_workers: z
    .int()
    .min(-1)
    .refine((workers) => workers !== 0, "0 would play nothing; expected -1 or at least 1")
    .default(-1)
    .describe("Groups in flight at once. -1 = max_num_workers_per_node × number of inference servers."),
  max_num_workers_per_node: z
    .int()
    .min(1)
    .default(8)
    .describe("Groups in flight per inference server, when max_num_workers is -1."),
  max_eval_workers: z.int().min(1).default(16).describe("Evaluation rollouts in flight at once."),
  eval_samples: z.int().min(1).default(1).describe("Rollouts per item in an evaluation."),
  eval_pass_k: z
    .array(z.int().min(1))
    .nullable()
    .default(null)
    .describe(
      "The k of pass@k and pass^k in an evaluation, none above eval_samples. null = 1 and the powers of 2 up to eval_samples, and eval_samples.",
    ),
  steps_per_eval: z
    .int()
    .default(100)
    .describe(
      "serve: evaluate each time the trainer passes a multiple of this many steps. 0 or less = never.",
    ),
  eval_handling: z
    .enum(["STOP_TRAIN", "LIMIT_TRAIN", "NONE"])
    .default("STOP_TRAIN")
    .describe(
      "serve: while an evaluation runs, start no training groups (STOP_TRAIN), fewer (LIMIT_TRAIN, see eval_limit_ratio), or as many as ever (NONE).",
    ),
  eval_limit_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("Share of the workers that may train during an evaluation under LIMIT_TRAIN."),
  max_token_length: z
    .int()
    .default(2048)
    .describe(
      "Most tokens per model call; also announced to the rollout server as this environment's context.",
    ),
  inference_weight: z
    .number()
    .default(1)
    .describe(
      "This environment's share of the inference servers against other environments. -1 = never slow this environment down.",
    ),
  batch_size: z
    .int()
    .default(-1)
    .describe(compatibility("the rollout server says how many sequences a batch has")),
  max_batches_offpolicy: z
    .int()
    .default(3)
    .describe("serve: start no more groups once this many batches wait in the queue. 0 or less = no limit."),
  min_batch_allocation: z
    .number()
    .min(0)
    .nullable()
    .default(null)
    .describe("Share of each batch that must come from this environment."),
  rollout_server_url: z
    .string()
    .default("http://localhost:8000")
    .describe("Base URL of the rollout API; `…/runs/NAME` for one of several runs."),
  rollout_server_token: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Token of a rollout API that asks for one (role env). Better in the environment: LACHESIS_ROLLOUT_TOKEN.",
    ),
  total_steps: z
    .int()
    .min(-1)
    .default(1000)
    .describe("serve: training steps; -1 = what the trainer registered. process: groups to write."),
  ensure_scores_are_not_same: z
    .boolean()
    .default(true)
    .describe(
      "Skip groups whose scores are all equal: they carry no gradient. Ignored when group_size is 1.",
    ),
  include_messages: z.boolean().default(false).describe("Put the conversations into the groups."),
  worker_timeout: z
    .number()
    .default(600)
    .describe(
      "Seconds a group may take before it is cancelled and its item tried again. 0 or less = no limit.",
    ),
  data_path_to_save_groups: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "JSONL file that every group is also written to. An existing file is kept; a number is appended.",
    ),
  data_dir_to_save_evals: z
    .string()
    .nullable()
    .default(null)
    .describe("Folder for metrics.json and samples.jsonl. null = the run directory."),
  seed: z
    .int()
    .min(0)
    .default(0)
    .describe("Root of every random choice of the run: item order, tool distributions, rollout seeds."),
  rollout_retries: z
    .int()
    .min(0)
    .default(2)
    .describe("How often a rollout that failed for no fault of the model is played afresh."),
  max_failed_groups: z
    .int()
    .min(0)
    .default(0)
    .describe(
      "End the run with an error after this many groups in a row failed for no fault of the model. 0 = never.",
    ),
  max_skipped_groups: z
    .int()
    .min(0)
    .default(0)
    .describe(
      "End the run with an error after this many groups in a row were played and then skipped (equal scores, too long, dropped by the environment). 0 = never.",
    ),
  allow_placeholder_tokens: z
    .boolean()
    .default(false)
    .describe(
      "serve: allow chat servers, which give no token ids: groups then carry placeholder tokens, all masked, with nothing to train on.",
    ),
  tokenizer_name: tokenFields.tokenizer_name,
  use_wandb: z
    .boolean()
    .default(true)
    .describe(compatibility("metrics go to the run directory, never to wandb")),
  wandb_name: z
    .string()
    .nullable()
    .default(null)
    .describe("Name to register under at the rollout server. null = the environment's own name."),
  num_rollouts_to_keep: z.int().default(32).describe(compatibility("rollout tables are not kept")),
  num_rollouts_per_group_for_logging: z
    .int()
    .min(-1)
    .default(1)
    .describe(compatibility("rollout tables are not kept")),
  min_items_sent_before_logging: z
    .int()
    .default(2)
    .describe(
      "serve: write metrics at a new step only if at least this many groups were sent. 0 or less = always.",
    ),
  thinking_mode: z.boolean().default(false).describe(compatibility("env.thinking decides")),
  reasoning_effort: z
    .enum(["none", "minimal", "low", "medium", "high", "xhigh"])
    .nullable()
    .default(null)
    .describe(compatibility("pass it to the server with extra_body")),
  max_reasoning_tokens: z
    .int()
    .min(1024)
    .max(32000)
    .nullable()
    .default(null)
    .describe(compatibility("pass it to the server with extra_body")),
  custom_thinking_prompt: z
    .string()
    .nullable()
    .default(null)
    .describe(compatibility("write it into system_prompt")),
});

export type BaseEnvConfig = z.output<typeof baseEnvConfig>;

/** The k of pass@k, ascending. Throws CONFIG_INVALID for one that eval_samples can't tell of. */
export function passKOf({
  eval_samples: samples,
  eval_pass_k: chosen,
}: Pick<BaseEnvConfig, "eval_samples" | "eval_pass_k">): number[] {
  const tooLarge = chosen?.find((k) => k > samples);
  if (tooLarge !== undefined) {
    throw new LachesisError(
      "CONFIG_INVALID",
      `env.eval_pass_k: pass@${tooLarge} needs ${tooLarge} samples of each item, and env.eval_samples is ${samples}.`,
      { hint: `Play more samples (--n ${tooLarge}), or ask for a smaller k.` },
    );
  }
  const powers = Array.from({ length: 31 }, (_, exponent) => 2 ** exponent).filter((k) => k < samples);
  return [...new Set(chosen ?? [...powers, samples])].sort((a, b) => a - b);
}

export const hermesAgentEnvConfig = baseEnvConfig.extend({
  enabled_toolsets: z
    .array(z.string())
    .nullable()
    .default(null)
    .describe("Toolsets the model may use. null = every registered tool."),
  disabled_toolsets: z
    .array(z.string())
    .nullable()
    .default(null)
    .describe("Toolsets taken away again, from whatever enabled_toolsets or distribution chose."),
  distribution: z
    .string()
    .nullable()
    .default(null)
    .describe("Named toolset distribution, sampled once per group; takes precedence over enabled_toolsets."),
  max_agent_turns: z.int().min(1).default(30).describe("Model calls per rollout."),
  system_prompt: z.string().nullable().default(null).describe("System message of every rollout."),
  agent_temperature: z.number().min(0).default(1).describe("Sampling temperature of training rollouts."),
  eval_temperature: z.number().min(0).default(0).describe("Sampling temperature of evaluation rollouts."),
  eval_seeded: z
    .boolean()
    .default(true)
    .describe(
      "Send a seed with evaluation requests, made of item and sample, so that servers that heed it answer alike again.",
    ),
  extra_body: z
    .record(z.string(), z.json())
    .nullable()
    .default(null)
    .describe("Provider-specific fields, merged into every model request."),
  ...tokenFields,
  default_result_size_chars: z
    .int()
    .min(1)
    .default(100_000)
    .describe("Characters of one tool result that enter the conversation."),
  turn_budget_chars: z
    .int()
    .min(1)
    .default(200_000)
    .describe("Characters that all tool results of one turn may add together."),
  preview_size_chars: z.int().min(1).default(1_500).describe("Characters kept of a result that is too long."),
  tool_result_overrides: z
    .record(z.string(), z.int().min(1))
    .nullable()
    .default(null)
    .describe("Result size in characters per tool name, instead of default_result_size_chars."),
  tool_pool_size: z.int().min(1).default(128).describe(compatibility("tools run without a thread pool")),
  ...terminalFields,
  ...toolFields,
  dataset_name: z.string().nullable().default(null).describe("Dataset on the Hugging Face hub."),
  dataset_path: z
    .string()
    .nullable()
    .default(null)
    .describe("Local JSONL or parquet file with the training items; wins over dataset_name."),
  dataset_split: z.string().default("train").describe("Split of dataset_name for training items."),
  prompt_field: z.string().default("prompt").describe("Column of the dataset that holds the prompt."),
});

export type HermesAgentEnvConfig = z.output<typeof hermesAgentEnvConfig>;
