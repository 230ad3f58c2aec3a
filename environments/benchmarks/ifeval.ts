/** IFEval: prompts with instructions whose following a program can check. */
import { z } from "zod";
import { checksOf } from "../../rewards/instructions/instructions.ts";
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

const row = z
  .object({
    prompt: z.string().min(1),
    instruction_id_list: z.array(z.string()).min(1),
    /** One map of arguments for each instruction; what isn't needed is null or missing. */
    kwargs: z.array(z.record(z.string(), z.unknown())),
    /** An answer that follows them all; ours alone have one. */
    response: z.string().optional(),
  })
  .superRefine(({ instruction_id_list, kwargs }, context) => {
    try {
      checksOf(instruction_id_list, kwargs);
    } catch (error) {
      context.addIssue({
        code: "custom",
        message: `can't be checked: ${error instanceof Error ? error.message : error}`,
      });
    }
  });

type Row = z.output<typeof row>;

export class IfevalBenchmark extends BenchmarkEnv<Row> {
  static override readonly envName = "ifeval";
  static readonly description =
    "Benchmark: instructions that a program can check (google/IFEval): all followed, or 0.";
  static readonly configSchema = benchmarkConfig;
  static readonly defaults: EnvDefaults<BenchmarkConfig> = {
    env: {
      ...textBenchmarkDefaults,
      dataset_name: "google/IFEval",
      dataset_split: "train",
      max_token_length: 4096,
      reward: "instructions",
    },
  };
  static readonly validationDefaults = ownRows;

  protected override rowSchema() {
    return row;
  }

  protected override ownRows(): string {
    return ownRowsFile("ifeval");
  }

  /** The kind of its first instruction, e.g. "keywords". */
  protected override categoryOf({ instruction_id_list: [first = ""] }: Row): string | null {
    return first.split(":")[0] ?? null;
  }

  formatPrompt({ prompt }: Row): string {
    return prompt;
  }

  override policies(): ValidationPolicies<Row> {
    return {
      gold: ({ response }) => (response === undefined ? null : inTurn({ content: response })),
      cheats: [
        { name: "repeats the prompt", play: ({ prompt }) => inTurn({ content: prompt }) },
        {
          name: "thinks an answer and says nothing",
          play: ({ response }) =>
            response === undefined ? null : inTurn({ content: `<think>${response}</think>` }),
        },
        { name: "says only punctuation", play: () => inTurn({ content: '"<<>>" * * [] ****** {}' }) },
      ],
    };
  }
}

export default IfevalBenchmark;

if (import.meta.main) await IfevalBenchmark.cli();
