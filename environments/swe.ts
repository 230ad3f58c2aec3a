/**
 * Repositories to mend: the workspace is the repository, the problem an issue, and hidden tests decide. Rows are those
 * of SWE-bench and SWE-smith (images with the repository, FAIL_TO_PASS, PASS_TO_PASS), of HumanEval-pack (a function
 * with a bug), or of our own: files, tests and a solution in the row, which run in any sandbox with Python.
 */
import { join } from "node:path";
import { z } from "zod";
import { functionPath } from "../rewards/code/repo-tests-reward.ts";
import type { RewardItem } from "../rewards/reward.ts";
import type { AgentResult } from "../src/agent/agent-result.ts";
import type { Sandbox, SandboxSpec } from "../src/contracts/sandbox.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import { inTurn, type Policy, type ValidationPolicies } from "../src/env/policies.ts";
import type { ToolContext } from "../src/tools/tool-context.ts";
import { DatasetEnv, datasetConfig } from "./dataset.ts";
import { sweCheats } from "./swe-cheats.ts";
import {
  filesOf,
  isFunctionRow,
  placeRepository,
  requireSweRow,
  sweProblem,
  takeTests,
} from "./swe-repository.ts";

const data = join(import.meta.dirname, "data");

/** Small repositories that were written for Lachesis, with solutions. */
export const bundledSwe = {
  train: join(data, "swe-train.jsonl"),
  test: join(data, "swe-test.jsonl"),
} as const;

export const sweConfig = datasetConfig.extend({
  prompt_field: z.string().default("problem_statement").describe("Column with the problem."),
  image_field: z
    .string()
    .nullable()
    .default("image_name")
    .describe(
      "Column with the image of the row's sandbox; rows without one get the backend's. null = never.",
    ),
  image_prefix: z.string().default("").describe('Before the image\'s name, e.g. "docker.io/".'),
  image_workspace: z.string().default("/testbed").describe("Where the repository is in the row's image."),
  setup_command: z
    .string()
    .nullable()
    .default(null)
    .describe('Shell code before the first turn, with columns in braces, e.g. "git checkout {instance_id}".'),
  archive_directory: z
    .string()
    .nullable()
    .default(null)
    .describe("Directory of the files that the column repo_archive names (.tar, .tar.gz, .bundle)."),
  gold_patch: z
    .enum(["forward", "reverse"])
    .default("forward")
    .describe("How `patch` mends the repository, for validation: SWE-smith's makes the bug (reverse)."),
});

type SweConfig = z.output<typeof sweConfig>;

export class SweEnv extends DatasetEnv<SweConfig> {
  static override readonly envName = "swe";
  static override readonly description = "Repositories to mend, judged by hidden tests.";
  static override readonly configSchema = sweConfig;
  static override readonly defaults: EnvDefaults<SweConfig> = {
    env: { enabled_toolsets: ["terminal", "file"], max_agent_turns: 40, reward: "repo_tests" },
  };

  /** Taken before the model's first turn, put back before scoring. */
  readonly #tests = new WeakMap<Sandbox, Record<string, string>>();

  protected override bundledRows() {
    return bundledSwe;
  }

  protected override completeRow(row: RewardItem): RewardItem {
    const problem = sweProblem(row);
    return problem === null ? row : { [this.config.prompt_field]: problem, ...row };
  }

  protected override acceptRow(row: RewardItem): void {
    requireSweRow(row);
  }

  override formatPrompt(row: RewardItem): string {
    const problem = super.formatPrompt(row);
    if (this.config.prompt_template !== null) return problem;
    return `Your working directory is a repository with this problem:

${problem.trim()}

Mend it in the repository's files, try out what you did, and say when you are done. Tests that you don't see will be run.`;
  }

  override sandboxSpec(row: RewardItem): SandboxSpec | undefined {
    const { image_field: field, image_prefix: prefix, image_workspace: workspace } = this.config;
    const image = field === null ? undefined : row[field];
    return typeof image === "string" && image !== "" ? { image: `${prefix}${image}`, workspace } : undefined;
  }

  override async prepareSandbox(row: RewardItem, toolContext: ToolContext): Promise<void> {
    const { archive_directory: archiveDirectory, setup_command: setupCommand } = this.config;
    await placeRepository(row, toolContext, { archiveDirectory, setupCommand });
    const tests = await takeTests(row, toolContext);
    if (tests !== null) this.#tests.set(await toolContext.sandbox(), tests);
  }

  override async computeReward(
    row: RewardItem,
    rollout: AgentResult,
    toolContext: ToolContext,
    options: { signal: AbortSignal },
  ): Promise<number> {
    const tests = this.#tests.get(await toolContext.sandbox());
    return super.computeReward(tests === undefined ? row : { ...row, tests }, rollout, toolContext, options);
  }

  override policies(): ValidationPolicies<RewardItem> {
    return {
      gold: (row) => this.#solves(row),
      cheats: sweCheats.map(({ name, files }) => ({
        name,
        play: (row) => writes(files(isFunctionRow(row) ? { [functionPath]: "" } : filesOf(row.files))),
      })),
    };
  }

  #solves(row: RewardItem): Policy | null {
    if (typeof row.patch === "string") {
      const reverse = this.config.gold_patch === "reverse" ? "-R " : "";
      const command = `git apply ${reverse}<<'LACHESIS_END'\n${row.patch}\nLACHESIS_END`;
      return inTurn({ calls: [{ name: "terminal", arguments: { command } }] }, { content: "Done." });
    }
    return writes(solutionFiles(row));
  }
}

/** What the row's files must become. */
export function solutionFiles(row: RewardItem): Record<string, string> {
  return isFunctionRow(row)
    ? { [functionPath]: `${String(row.prompt)}${String(row.canonical_solution)}` }
    : filesOf(row.solution);
}

function writes(files: Readonly<Record<string, string>>): Policy | null {
  const calls = Object.entries(files).map(([path, content]) => ({
    name: "write_file",
    arguments: { path, content },
  }));
  return calls.length === 0 ? null : inTurn({ calls }, { content: "Done." });
}

export default SweEnv;

if (import.meta.main) await SweEnv.cli();
