/** AIME: competition problems whose answers are whole numbers from 0 to 999. */
import { z } from "zod";
import type { EnvDefaults } from "../../src/env/env-class.ts";
import { type BenchmarkConfig, ownRowsFile, textBenchmarkDefaults } from "./benchmark-env.ts";
import { Math500Benchmark, type MathsRow } from "./math500.ts";

const answer = z
  .union([z.string(), z.number(), z.bigint()])
  .transform((given) =>
    String(given)
      .trim()
      .replace(/^0+(?=\d)/, ""),
  )
  .refine((text) => /^\d{1,3}$/.test(text), "is no whole number from 0 to 999");

const row = z.object({
  problem: z.string().min(1),
  answer,
  year: z.union([z.string(), z.number(), z.bigint()]).transform(String).optional(),
  category: z.string().optional(),
});

export class AimeBenchmark extends Math500Benchmark {
  static override readonly envName = "aime";
  static override readonly description =
    "Benchmark: AIME problems (HuggingFaceH4/aime_2024; others by --env.dataset_name), answered in one message.";
  static override readonly defaults: EnvDefaults<BenchmarkConfig> = {
    env: {
      ...textBenchmarkDefaults,
      dataset_name: "HuggingFaceH4/aime_2024",
      dataset_split: "train",
      max_token_length: 32_768,
      reward: { type: "accuracy", weight: 1, params: { verifier: "number" } },
    },
  };

  protected override rowSchema(): z.ZodType<MathsRow> {
    return row.transform(({ year, category, ...rest }) => {
      const group = category ?? year;
      return group === undefined ? rest : { ...rest, category: group };
    });
  }

  protected override ownRows(): string {
    return ownRowsFile("aime");
  }

  override formatPrompt({ problem }: MathsRow): string {
    return `${problem}\n\nThe answer is a whole number from 0 to 999. Reason step by step, and put it into \\boxed{}.`;
  }
}

export default AimeBenchmark;

if (import.meta.main) await AimeBenchmark.cli();
