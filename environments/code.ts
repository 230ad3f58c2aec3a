/**
 * Programming problems of any dataset with tests: of input and output, of functions, or test code (APPS, TACO,
 * LiveCodeBench, MBPP, HumanEval and their like). The model tries things out in its sandbox, and leaves a program in a
 * file or in its answer; the reward `code` runs the tests in fresh forks of the sandbox.
 */
import { join } from "node:path";
import { z } from "zod";
import { readCodeTests } from "../rewards/code/code-tests.ts";
import type { RewardSpec } from "../rewards/create-reward.ts";
import type { RewardItem } from "../rewards/reward.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import { inTurn, type Policy, type ValidationPolicies } from "../src/env/policies.ts";
import { codeCheats } from "./code-cheats.ts";
import { codePrompt, codeSolution } from "./code-task.ts";
import { DatasetEnv, datasetConfig } from "./dataset.ts";

const data = join(import.meta.dirname, "data");

/** Problems that were written for Lachesis, with solutions. */
export const bundledCode = {
  train: join(data, "code-train.jsonl"),
  test: join(data, "code-test.jsonl"),
} as const;

export const codeConfig = datasetConfig.extend({
  answer: z
    .enum(["fence", "file"])
    .default("file")
    .describe("Where the model leaves its program: the last fenced block of its answer, or a file."),
  answer_file: z.string().default("solution.py").describe("The file, in the working directory."),
  show_tests: z
    .int()
    .min(0)
    .default(1)
    .describe("So many of the row's tests are shown in the prompt, as examples."),
});

type CodeConfig = z.output<typeof codeConfig>;

export class CodeEnv extends DatasetEnv<CodeConfig> {
  static override readonly envName = "code";
  static override readonly description =
    "Programming problems with tests of input and output, functions, test code.";
  static override readonly configSchema = codeConfig;
  static override readonly defaults: EnvDefaults<CodeConfig> = {
    env: { enabled_toolsets: ["terminal", "file", "python"], max_agent_turns: 20, reward: "code" },
  };

  protected override bundledRows() {
    return bundledCode;
  }

  protected override acceptRow(row: RewardItem): void {
    readCodeTests(row);
  }

  /** The reward looks where the prompt says that the program goes. */
  protected override rewardSpec(): RewardSpec {
    const { answer, answer_file: file, reward } = this.config;
    const placed = (spec: unknown) => {
      if (spec === "code") return { type: "code", params: { answer, file } };
      const parsed = codeSpec.safeParse(spec);
      return parsed.success ? { ...parsed.data, params: { answer, file, ...parsed.data.params } } : spec;
    };
    return z.custom<RewardSpec>().parse(Array.isArray(reward) ? reward.map(placed) : placed(reward));
  }

  override formatPrompt(row: RewardItem): string {
    const problem = super.formatPrompt(row);
    const { answer, answer_file: file, show_tests: shown, prompt_template: template } = this.config;
    return template === null ? codePrompt(row, problem, { answer, file, shown }) : problem;
  }

  override policies(): ValidationPolicies<RewardItem> {
    return {
      gold: (row) => this.#leaves(codeSolution(row)),
      cheats: codeCheats.map(({ name, program, files }) => ({
        name,
        play: (row) => this.#leaves(program(row), files),
      })),
    };
  }

  /** Writes the files, and the program where it belongs. */
  #leaves(program: string | null, files: Readonly<Record<string, string>> = {}): Policy | null {
    if (program === null) return null;
    const { answer, answer_file: file } = this.config;
    const written = Object.entries({ ...files, ...(answer === "file" && { [file]: program }) });
    const calls = written.map(([path, content]) => ({ name: "write_file", arguments: { path, content } }));
    const last = { content: answer === "file" ? "Done." : `\`\`\`python\n${program}\n\`\`\`` };
    return calls.length === 0 ? inTurn(last) : inTurn({ calls }, last);
  }
}

const codeSpec = z.looseObject({
  type: z.literal("code"),
  params: z.record(z.string(), z.json()).default({}),
});

export default CodeEnv;

if (import.meta.main) await CodeEnv.cli();
