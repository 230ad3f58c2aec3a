/**
 * Mathematics with a Python session: any dataset with a problem and an answer, which may be an expression, a set, an
 * interval, a matrix, a text: `verifyMath` compares. 1 for the right answer in the last message, else 0.
 */
import { join } from "node:path";
import { z } from "zod";
import type { RewardItem } from "../rewards/reward.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import { inTurn, type ValidationPolicies } from "../src/env/policies.ts";
import { DatasetEnv, datasetConfig } from "./dataset.ts";

const data = join(import.meta.dirname, "data");

/** Problems that were written for Lachesis, with a `python` column that computes the answer. */
export const bundledMaths = {
  train: join(data, "maths-train.jsonl"),
  test: join(data, "maths-test.jsonl"),
} as const;

export const mathAgentConfig = datasetConfig.extend({
  prompt_field: z.string().default("problem").describe("Column with the problem."),
});

type MathAgentConfig = z.output<typeof mathAgentConfig>;

export class MathAgentEnv<Config extends MathAgentConfig = MathAgentConfig> extends DatasetEnv<Config> {
  static override readonly envName: string = "math-agent";
  static override readonly description: string =
    "Mathematics problems of any dataset, solved with a Python session.";
  static override readonly configSchema: z.ZodObject = mathAgentConfig;
  static override readonly defaults: EnvDefaults<MathAgentConfig> = {
    env: {
      enabled_toolsets: ["python"],
      max_agent_turns: 12,
      reward: { type: "accuracy", weight: 1, params: { problem_field: "problem" } },
    },
  };

  protected override bundledRows() {
    return bundledMaths;
  }

  override policies(): ValidationPolicies<RewardItem> {
    const guesses = Array.from({ length: 60 }, (_, number) => number - 10);
    return {
      gold: ({ answer }) => inTurn({ content: `It is $\\boxed{${String(answer)}}$.` }),
      cheats: [
        { name: "repeats the problem", play: (row) => inTurn({ content: super.formatPrompt(row) }) },
        {
          name: "boxes a formula of the problem",
          play: (row) => {
            const formulas = super.formatPrompt(row).match(/\$[^$]+\$/g) ?? [];
            return inTurn({ content: `\\boxed{${formulas.at(-1)?.slice(1, -1) ?? ""}}` });
          },
        },
        {
          name: "boxes many guesses",
          play: ({ answer }) =>
            inTurn({ content: [...guesses, String(answer)].map((guess) => `\\boxed{${guess}}`).join(" ") }),
        },
        {
          name: "puts many guesses into one box",
          play: () => inTurn({ content: `\\boxed{${guesses.join(", ")}}` }),
        },
        {
          name: "thinks the answer and says another",
          play: ({ answer }) =>
            inTurn({ content: `<think>\\boxed{${String(answer)}}</think> I don't know.` }),
        },
      ],
    };
  }

  override formatPrompt(row: RewardItem): string {
    const problem = super.formatPrompt(row);
    if (this.config.prompt_template !== null) return problem;
    return `${problem}

Reason step by step, and use the python tool where it helps. Put the final answer into \\boxed{}.`;
  }
}

export default MathAgentEnv;

if (import.meta.main) await MathAgentEnv.cli();
