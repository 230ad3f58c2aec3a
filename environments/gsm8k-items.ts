/** What makes an item of gsm8k-agent of a row. */
import { z } from "zod";
import { isNumericAnswer } from "../rewards/index.ts";
import { hermesAgentEnvConfig } from "../src/env/env-config.ts";
import { rowFields } from "./row-source.ts";

export const gsm8kAgentConfig = hermesAgentEnvConfig.extend({
  ...rowFields,
  dataset_config: rowFields.dataset_config
    .default("main")
    .describe("Config (subset) of dataset_name. null = the dataset has only one."),
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
