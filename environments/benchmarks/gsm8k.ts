/** GSM8K: the published test split, answered in one message. `gsm8k-agent` trains on such problems, with Python. */
import { z } from "zod";
import { isNumericAnswer } from "../../rewards/index.ts";
import type { EnvDefaults } from "../../src/env/env-class.ts";
import { inTurn, type ValidationPolicies } from "../../src/env/policies.ts";
import { bundledProblems } from "../gsm8k-bundled.ts";
import {
  type BenchmarkConfig,
  BenchmarkEnv,
  benchmarkConfig,
  ownRows,
  textBenchmarkDefaults,
} from "./benchmark-env.ts";

const row = z.object({
  question: z.string().min(1),
  /** A solution that ends in "#### <number>". */
  answer: z
    .string()
    .transform((text) => text.slice(text.lastIndexOf("####")).replace(/^#+/, "").trim())
    .refine(isNumericAnswer, "ends in no number"),
});

type Row = z.output<typeof row>;

export class Gsm8kBenchmark extends BenchmarkEnv<Row> {
  static override readonly envName: string = "gsm8k";
  static readonly description: string =
    "Benchmark: grade-school word problems (openai/gsm8k, test), answered in one message.";
  static readonly configSchema = benchmarkConfig;
  static readonly defaults: EnvDefaults<BenchmarkConfig> = {
    env: {
      ...textBenchmarkDefaults,
      dataset_name: "openai/gsm8k",
      dataset_config: "main",
      reward: { type: "accuracy", weight: 1, params: { verifier: "number" } },
    },
  };
  static readonly validationDefaults = ownRows;

  protected override rowSchema() {
    return row;
  }

  protected override ownRows(): string {
    return bundledProblems.test;
  }

  formatPrompt({ question }: Row): string {
    return `${question}\n\nReason step by step, and end with the answer as a bare number on a line of its own, like this:\n#### 42`;
  }

  override policies(): ValidationPolicies<Row> {
    const numbers = Array.from({ length: 200 }, (_, number) => number);
    return {
      gold: ({ answer }) => inTurn({ content: `So it is ${answer}.\n#### ${answer}` }),
      cheats: [
        { name: "repeats the question", play: ({ question }) => inTurn({ content: question }) },
        {
          name: "boxes many guesses",
          play: () => inTurn({ content: numbers.map((n) => `\\boxed{${n}}`).join(" ") }),
        },
        {
          name: "puts many guesses into one box",
          play: () => inTurn({ content: `\\boxed{${numbers.join(", ")}}` }),
        },
      ],
    };
  }
}

export default Gsm8kBenchmark;

if (import.meta.main) await Gsm8kBenchmark.cli();
