/** MATH-500: 500 problems of competitions, judged by whether the answers mean the same. */
import { z } from "zod";
import type { EnvDefaults } from "../../src/env/env-class.ts";
import { inTurn, type ValidationPolicies } from "../../src/env/policies.ts";
import { bundledMaths } from "../math-agent.ts";
import {
  type BenchmarkConfig,
  BenchmarkEnv,
  benchmarkConfig,
  ownRows,
  textBenchmarkDefaults,
} from "./benchmark-env.ts";

const row = z.object({
  problem: z.string().min(1),
  answer: z.union([z.string().min(1), z.number(), z.bigint()]).transform(String),
  /** "Algebra", "Number Theory", …; rows of other datasets may call it category. */
  subject: z.string().optional(),
  category: z.string().optional(),
  level: z.union([z.number(), z.bigint(), z.string()]).transform(String).optional(),
});

export type MathsRow = z.output<typeof row>;

export class Math500Benchmark extends BenchmarkEnv<MathsRow> {
  static override readonly envName: string = "math500";
  static readonly description: string =
    "Benchmark: 500 competition problems (HuggingFaceH4/MATH-500), answered in one message.";
  static readonly configSchema = benchmarkConfig;
  static readonly defaults: EnvDefaults<BenchmarkConfig> = {
    env: {
      ...textBenchmarkDefaults,
      dataset_name: "HuggingFaceH4/MATH-500",
      max_token_length: 8192,
      reward: { type: "accuracy", weight: 1, params: { problem_field: "problem" } },
    },
  };
  static readonly validationDefaults = ownRows;

  protected override rowSchema(): z.ZodType<MathsRow> {
    return row;
  }

  protected override ownRows(): string {
    return bundledMaths.train;
  }

  protected override categoryOf({ subject, category }: MathsRow): string | null {
    return subject ?? category ?? null;
  }

  formatPrompt({ problem }: MathsRow): string {
    return `${problem}\n\nReason step by step, and put the final answer into \\boxed{}.`;
  }

  override policies(): ValidationPolicies<MathsRow> {
    const guesses = Array.from({ length: 60 }, (_, number) => number - 10);
    return {
      gold: ({ answer }) => inTurn({ content: `It is $\\boxed{${answer}}$.` }),
      cheats: [
        { name: "repeats the problem", play: ({ problem }) => inTurn({ content: problem }) },
        {
          name: "boxes many guesses",
          play: ({ answer }) =>
            inTurn({ content: [...guesses, answer].map((g) => `\\boxed{${g}}`).join(" ") }),
        },
        {
          name: "puts many guesses into one box",
          play: () => inTurn({ content: `\\boxed{${guesses.join(", ")}}` }),
        },
      ],
    };
  }
}

export default Math500Benchmark;

if (import.meta.main) await Math500Benchmark.cli();
