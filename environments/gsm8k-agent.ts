/**
 * Grade-school maths word problems with a Python session as the only tool. The reward is 1 for exactly the
 * right number at the end of the last message, and 0 for anything else.
 */
import { scoreNumericAnswer } from "../rewards/index.ts";
import type { AgentResult } from "../src/agent/agent-result.ts";
import type { JsonObject } from "../src/contracts/chat.ts";
import type { ScoredGroup } from "../src/contracts/scored-group.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import type { EvaluateOptions, Evaluation } from "../src/env/evaluation.ts";
import { HermesAgentBaseEnv } from "../src/env/hermes-agent-base-env.ts";
import { inTurn, type ValidationPolicies } from "../src/env/policies.ts";
import { bundledProblems } from "./gsm8k-bundled.ts";
import { type Gsm8kAgentConfig, type Gsm8kItem, gsm8kAgentConfig, gsm8kItemSchema } from "./gsm8k-items.ts";
import { RowSource } from "./row-source.ts";

export class Gsm8kAgentEnv extends HermesAgentBaseEnv<Gsm8kItem, Gsm8kAgentConfig> {
  static override readonly envName: string = "gsm8k-agent";
  static readonly description = "Grade-school maths word problems (GSM8K), solved with a Python session.";
  static readonly configSchema = gsm8kAgentConfig;
  static readonly defaults: EnvDefaults<Gsm8kAgentConfig> = {
    env: { enabled_toolsets: ["python"], max_agent_turns: 12 },
  };

  #rows: RowSource<Gsm8kItem> | undefined;

  override async setup({ signal }: { signal: AbortSignal }): Promise<void> {
    const { config, services } = this;
    const schema = gsm8kItemSchema(config);
    this.#rows = await RowSource.open({ config, schema, bundled: bundledProblems, services, signal });
  }

  override async getNextItem(): Promise<Gsm8kItem | null> {
    return this.#rows?.next() ?? null;
  }

  formatPrompt({ question }: Gsm8kItem): string {
    return `${question}

Reason step by step and use the python tool for the arithmetic. When you are done, finish with the answer as a bare number on a line of its own, like this:
#### 42`;
  }

  async computeReward({ gold }: Gsm8kItem, { messages }: AgentResult): Promise<number> {
    const last = messages.findLast((message) => message.role === "assistant");
    return scoreNumericAnswer(gold, last?.content ?? "");
  }

  override policies(): ValidationPolicies<Gsm8kItem> {
    const numbers = Array.from({ length: 200 }, (_, number) => number);
    return {
      gold: ({ gold }) => inTurn({ content: `So it is ${gold}.\n#### ${gold}` }),
      cheats: [
        { name: "repeats the question", play: ({ question }) => inTurn({ content: question }) },
        {
          name: "boxes many guesses",
          play: () => inTurn({ content: numbers.map((number) => `\\boxed{${number}}`).join(" ") }),
        },
        {
          name: "puts many guesses into one box",
          play: () => inTurn({ content: `\\boxed{${numbers.join(", ")}}` }),
        },
        {
          name: "thinks the answer and says another",
          play: ({ gold }) => inTurn({ content: `<think>\\boxed{${gold}}</think> I don't know.` }),
        },
      ],
    };
  }

  override async postprocessGroup(group: ScoredGroup): Promise<ScoredGroup> {
    for (const score of group.scores) this.recordMetric("train/percent_correct", score);
    return group;
  }

  /** Plays the held-out problems like training rollouts, tools and all, at `eval_temperature`. */
  override async evaluate(options: EvaluateOptions): Promise<Evaluation | null> {
    if (this.#rows === undefined) return null;
    const describe = ({ question, gold }: Gsm8kItem) => ({ question, gold });
    return this.evaluateItems(this.#rows.heldOut(), { ...options, describe });
  }

  override checkpointState(): JsonObject | null {
    return this.#rows?.position ?? null;
  }

  override async restoreState(state: JsonObject): Promise<void> {
    this.#rows?.restore(state);
  }
}

export default Gsm8kAgentEnv;

if (import.meta.main) await Gsm8kAgentEnv.cli();
