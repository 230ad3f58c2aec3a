/** MMLU and what looks like it (MMLU-Pro): questions with lettered choices, of which one is right. */
import { z } from "zod";
import type { EnvDefaults } from "../../src/env/env-class.ts";
import { inTurn, type ValidationPolicies } from "../../src/env/policies.ts";
import {
  type BenchmarkConfig,
  BenchmarkEnv,
  benchmarkConfig,
  ownRows,
  ownRowsFile,
  textBenchmarkDefaults,
} from "./benchmark-env.ts";

const choices = z.array(z.string()).min(2).max(26);
const letterOf = (index: number): string => String.fromCharCode(65 + index);
const place = z.union([z.number(), z.bigint(), z.string()]).transform((given) => {
  const text = String(given).trim();
  return /^\d+$/.test(text) ? letterOf(Number(text)) : text.toUpperCase();
});

/** Columns of cais/mmlu (choices, answer as an index, subject) and of MMLU-Pro (options, answer as a letter, category). */
export const choiceQuestion = z
  .object({
    question: z.string().min(1),
    choices: choices.optional(),
    options: choices.optional(),
    answer: place,
    subject: z.string().optional(),
    category: z.string().optional(),
  })
  .transform(({ question, answer, subject, category, ...given }) => ({
    question,
    choices: given.choices ?? given.options ?? [],
    answer,
    category: category ?? subject ?? null,
  }))
  .refine(
    ({ choices, answer }) => choices.map((_, index) => letterOf(index)).includes(answer),
    "names no choice as the answer",
  );

export type ChoiceQuestion = z.output<typeof choiceQuestion>;

type Row = ChoiceQuestion;

export class MmluBenchmark extends BenchmarkEnv<Row> {
  static override readonly envName = "mmlu";
  static readonly description =
    "Benchmark: multiple-choice questions (cais/mmlu; MMLU-Pro by --env.dataset_name), one letter each.";
  static readonly configSchema = benchmarkConfig;
  static readonly defaults: EnvDefaults<BenchmarkConfig> = {
    env: { ...textBenchmarkDefaults, dataset_name: "cais/mmlu", dataset_config: "all", reward: "choice" },
  };
  static readonly validationDefaults = ownRows;

  protected override rowSchema() {
    return choiceQuestion;
  }

  protected override ownRows(): string {
    return ownRowsFile("mmlu");
  }

  protected override categoryOf({ category }: Row): string | null {
    return category;
  }

  formatPrompt({ question, choices: texts }: Row): string {
    const lines = texts.map((text, index) => `${letterOf(index)}. ${text}`);
    return `${question}\n\n${lines.join("\n")}\n\nThink as long as you like, and end with the letter of the one right choice, like this:\nAnswer: A`;
  }

  override policies(): ValidationPolicies<Row> {
    const letters = ({ choices: texts }: Row) => texts.map((_, index) => letterOf(index));
    return {
      gold: ({ answer }) => inTurn({ content: `Answer: ${answer}` }),
      cheats: [
        { name: "lists all letters", play: (item) => inTurn({ content: letters(item).join(" ") }) },
        {
          name: "answers all letters",
          play: (item) => inTurn({ content: `Answer: ${letters(item).join(", ")}` }),
        },
        {
          name: "boxes all letters",
          play: (item) => inTurn({ content: `\\boxed{${letters(item).join(" or ")}}` }),
        },
        {
          name: "repeats the choices",
          play: ({ choices: texts }) =>
            inTurn({ content: texts.map((text, index) => `${letterOf(index)}. ${text}`).join("\n") }),
        },
        {
          name: "thinks the answer and says another",
          play: ({ answer }) => inTurn({ content: `<think>Answer: ${answer}</think>I don't know.` }),
        },
      ],
    };
  }
}

export default MmluBenchmark;

if (import.meta.main) await MmluBenchmark.cli();
