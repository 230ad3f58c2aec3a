/**
 * Word problems for a very small model, with a Python session as the only tool. The reward is 1 when the last
 * message is exactly the number, and 0 for anything else. What a rollout costs is next to nothing, so it is the
 * environment to learn, to test and to measure with.
 */
import { z } from "zod";
import type { AgentResult } from "../src/agent/agent-result.ts";
import type { JsonObject } from "../src/contracts/chat.ts";
import type { ScoredGroup } from "../src/contracts/scored-group.ts";
import type { Tool } from "../src/contracts/tool.ts";
import { deriveSeed } from "../src/env/derive-seed.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../src/env/evaluation.ts";
import { HermesAgentBaseEnv, type RolloutPlace } from "../src/env/hermes-agent-base-env.ts";
import { inTurn, type ValidationPolicies } from "../src/env/policies.ts";
import type { PlayedRollout } from "../src/env/run-rollout.ts";
import { seededRandom } from "../src/practice/seeded-random.ts";
import { PythonNursery } from "../src/tools/python-nursery.ts";
import { pythonTool } from "../src/tools/python-tool.ts";
import { type TinyMathsProblem, tinyMathsLevels, tinyMathsProblem } from "./tiny-maths-problems.ts";

export const tinyMathsConfig = hermesAgentEnvConfig.extend({
  level: z
    .literal(tinyMathsLevels)
    .default(2)
    .describe("1: sums and differences of small numbers. 2: products too, two digits. 3: two steps."),
  eval_items: z.int().min(1).default(128).describe("Held-out problems that an evaluation plays."),
  shared_python: z
    .boolean()
    .default(false)
    .describe(
      "Make Python sessions as forks of one warm interpreter in one sandbox, instead of a sandbox for each rollout: a tenth of the cost, and rollouts that aren't walled off from each other.",
    ),
  random_reward: z
    .boolean()
    .default(false)
    .describe(
      "A control: groups carry scores that are thrown by chance, from which nothing can be learned. Evaluations still score what is right.",
    ),
});

export type TinyMathsConfig = z.output<typeof tinyMathsConfig>;

const savedPosition = z.object({ next: z.int().min(0) });

export class TinyMathsEnv extends HermesAgentBaseEnv<TinyMathsProblem, TinyMathsConfig> {
  static override readonly envName: string = "tiny-maths";
  static readonly description = "Word problems for a very small model, solved with a Python session.";
  static readonly configSchema = tinyMathsConfig;
  static readonly defaults: EnvDefaults<TinyMathsConfig> = {
    env: { enabled_toolsets: ["python"], max_agent_turns: 3, group_size: 8, max_token_length: 64 },
  };

  #next = 0;
  readonly #nursery = new PythonNursery(this.services.backend);

  override async getNextItem(): Promise<TinyMathsProblem> {
    return this.#problem(this.#next++, "train");
  }

  formatPrompt({ question }: TinyMathsProblem): string {
    return question;
  }

  async computeReward({ answer }: TinyMathsProblem, { messages }: AgentResult): Promise<number> {
    const last = messages.at(-1);
    return last?.role === "assistant" && last.content?.trim() === String(answer) ? 1 : 0;
  }

  override policies(): ValidationPolicies<TinyMathsProblem> {
    return {
      gold: ({ expression, answer }) =>
        inTurn({ calls: [{ name: "python", arguments: { code: expression } }] }, { content: String(answer) }),
      cheats: [
        { name: "repeats the question", play: ({ question }) => inTurn({ content: question }) },
        {
          name: "lists every number",
          play: () => inTurn({ content: Array.from({ length: 200 }, (_, number) => number).join(" ") }),
        },
      ],
    };
  }

  override availableTools(): Tool[] {
    if (!this.config.shared_python) return super.availableTools();
    return [pythonTool({ home: async ({ rolloutId }) => this.#nursery.home(rolloutId) })];
  }

  override async playRollout(item: TinyMathsProblem, place: RolloutPlace): Promise<PlayedRollout> {
    const rollout = await super.playRollout(item, place);
    const { outcome } = rollout;
    if (place.split === "train" && outcome.kind === "scored") {
      this.recordMetric("train/percent_correct", outcome.reward);
      this.recordMetric("train/tool_success", toolSuccess(rollout));
    }
    return rollout;
  }

  override async postprocessGroup(group: ScoredGroup): Promise<ScoredGroup> {
    if (!this.config.random_reward) return group;
    // By what was played, so that the same rollouts are scored alike in whatever order they end.
    const random = seededRandom(deriveSeed(this.config.seed, "random-reward", JSON.stringify(group.tokens)));
    const scores = group.scores.map(() => (random() < 0.5 ? 0 : 1));
    // Advantages, if there are any, told which rollouts were right.
    return { ...group, scores, advantages: null };
  }

  /** Plays held-out problems at `eval_temperature`; `eval/tool_success` is the share whose Python ran. */
  override async evaluate(options: EvaluateOptions): Promise<Evaluation> {
    const items = Array.from({ length: this.config.eval_items }, (_, index) => this.#problem(index, "eval"));
    const evaluation = await this.evaluateItems(items, {
      ...options,
      describe: ({ question, expression, answer }, rollout) => ({
        question,
        expression,
        answer,
        tool_success: toolSuccess(rollout),
      }),
    });
    const scored = evaluation.samples.filter(({ outcome }) => outcome === "scored");
    if (scored.length === 0) return evaluation;
    const successes = scored.reduce((sum, sample) => sum + Number(sample.tool_success), 0);
    return {
      ...evaluation,
      metrics: { ...evaluation.metrics, "eval/tool_success": successes / scored.length },
    };
  }

  override checkpointState(): JsonObject {
    return { next: this.#next };
  }

  override async restoreState(state: JsonObject): Promise<void> {
    this.#next = savedPosition.parse(state).next;
  }

  override async cleanup(): Promise<void> {
    await this.#nursery[Symbol.asyncDispose]();
  }

  #problem(index: number, split: "train" | "eval"): TinyMathsProblem {
    const { seed, level } = this.config;
    return tinyMathsProblem(index, { seed, level, split });
  }
}

/** 1 when a call of the rollout ran without an error. */
function toolSuccess({ result }: PlayedRollout): number {
  return (result?.toolCalls.executedOk ?? 0) > 0 ? 1 : 0;
}

export default TinyMathsEnv;

if (import.meta.main) await TinyMathsEnv.cli();
