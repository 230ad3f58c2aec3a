/**
 * Mathematics with a Python session: any dataset with a problem and an answer, which may be an expression, a set, an
 * interval, a matrix, a text: `verifyMath` compares. 1 for the right answer in the last message, else 0.
 */
import { join } from "node:path";
import { z } from "zod";
import type { RewardItem } from "../rewards/reward.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
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

export class MathAgentEnv extends DatasetEnv<MathAgentConfig> {
  static override readonly envName = "math-agent";
  static override readonly description = "Mathematics problems of any dataset, solved with a Python session.";
  static override readonly configSchema = mathAgentConfig;
  static override readonly defaults: EnvDefaults<MathAgentConfig> = {
    env: { enabled_toolsets: ["python"], max_agent_turns: 12 },
  };

  protected override bundledRows() {
    return bundledMaths;
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
