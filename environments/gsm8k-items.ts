/** Where the problems of gsm8k-agent come from, and what makes an item of a row. */
import { z } from "zod";
import { isNumericAnswer } from "../rewards/index.ts";
import { type Dataset, type DatasetSource, openDataset } from "../src/data/dataset.ts";
import type { EnvServices } from "../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../src/env/env-config.ts";
import { bundledProblems } from "./gsm8k-bundled.ts";

export const gsm8kAgentConfig = hermesAgentEnvConfig.extend({
  dataset_path: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Local JSONL or parquet file of problems, for training and, without eval_dataset_path, for evaluation. Wins over dataset_name; without both, problems that ship with Lachesis are used.",
    ),
  dataset_name: z
    .string()
    .nullable()
    .default(null)
    .describe('Dataset on the Hugging Face hub, e.g. "openai/gsm8k".'),
  dataset_config: z
    .string()
    .nullable()
    .default("main")
    .describe("Config (subset) of dataset_name. null = the dataset has only one."),
  eval_dataset_path: z
    .string()
    .nullable()
    .default(null)
    .describe("Local JSONL or parquet file of problems for evaluation."),
  eval_dataset_split: z.string().default("test").describe("Split of dataset_name for evaluation."),
  eval_max_items: z
    .int()
    .min(-1)
    .default(-1)
    .describe("Evaluate on this many problems, from the start of the file. -1 = all."),
  prompt_field: z.string().default("question").describe("Column that holds the problem."),
  answer_field: z
    .string()
    .default("answer")
    .describe('Column that holds the gold answer: a number, or a solution that ends in "#### <number>".'),
});

export type Gsm8kAgentConfig = z.output<typeof gsm8kAgentConfig>;

export type Gsm8kItem = {
  question: string;
  /** The number alone, as the dataset writes it, e.g. "1,234". */
  gold: string;
};

/** Accepts rows of which the problem isn't blank and the answer can be scored. */
export function gsm8kItemSchema({ prompt_field, answer_field }: Gsm8kAgentConfig): z.ZodType<Gsm8kItem> {
  const question = z.string().refine((text) => text.trim() !== "", "the problem is blank");
  const answer = z
    .union([z.string(), z.number(), z.bigint()], { error: "expected a text or a number" })
    .transform(goldNumber)
    .refine(isNumericAnswer, "holds no number to compare answers with");
  return z.object({ [prompt_field]: question, [answer_field]: answer }).transform((row) => ({
    question: String(row[prompt_field]),
    gold: String(row[answer_field]),
  }));
}

function goldNumber(answer: string | number | bigint): string {
  const text = String(answer);
  return text
    .slice(text.lastIndexOf("####") + 1)
    .replace(/^#+/, "")
    .trim();
}

/** Rejects as `openDataset` does. */
export function openGsm8k(
  split: "train" | "eval",
  config: Gsm8kAgentConfig,
  { services, signal }: { services: EnvServices; signal: AbortSignal },
): Promise<Dataset> {
  const { cacheDirectory, hubToken } = services;
  return openDataset(sourceOf(split, config), { signal, cacheDirectory, hubToken });
}

function sourceOf(split: "train" | "eval", config: Gsm8kAgentConfig): DatasetSource {
  const path = (split === "eval" ? config.eval_dataset_path : null) ?? config.dataset_path;
  if (path !== null) return { kind: "file", path };
  if (config.dataset_name === null) {
    return { kind: "file", path: split === "eval" ? bundledProblems.test : bundledProblems.train };
  }
  return {
    kind: "hub",
    name: config.dataset_name,
    config: config.dataset_config,
    split: split === "eval" ? config.eval_dataset_split : config.dataset_split,
  };
}
