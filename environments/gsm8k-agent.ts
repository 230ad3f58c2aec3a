/**
 * Grade-school maths word problems with a Python session as the only tool. The reward is 1 for exactly the
 * right number at the end of the last message, and 0 for anything else.
 */
import { z } from "zod";
import { scoreNumericAnswer } from "../rewards/index.ts";
import type { AgentResult } from "../src/agent/agent-result.ts";
import type { JsonObject } from "../src/contracts/chat.ts";
import type { ScoredGroup } from "../src/contracts/scored-group.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { type BadRow, ItemCursor } from "../src/data/item-cursor.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import type { EvaluateOptions, Evaluation } from "../src/env/evaluation.ts";
import { HermesAgentBaseEnv } from "../src/env/hermes-agent-base-env.ts";
import {
  type Gsm8kAgentConfig,
  type Gsm8kItem,
  gsm8kAgentConfig,
  gsm8kItemSchema,
  openGsm8k,
} from "./gsm8k-items.ts";

const cursorState = z.object({ epoch: z.int(), index: z.int() });

export class Gsm8kAgentEnv extends HermesAgentBaseEnv<Gsm8kItem, Gsm8kAgentConfig> {
  static override readonly envName: string = "gsm8k-agent";
  static readonly description = "Grade-school maths word problems (GSM8K), solved with a Python session.";
  static readonly configSchema = gsm8kAgentConfig;
  static readonly defaults: EnvDefaults<Gsm8kAgentConfig> = {
    env: { enabled_toolsets: ["python"], max_agent_turns: 12 },
  };

  #train: ItemCursor<Gsm8kItem> | undefined;
  #heldOut: Gsm8kItem[] | undefined;

  override async setup({ signal }: { signal: AbortSignal }): Promise<void> {
    const place = { services: this.services, signal };
    const train = await openGsm8k("train", this.config, place);
    const heldOut = await openGsm8k("eval", this.config, place);
    const items = this.#readAll(train);
    this.#heldOut = heldOut.name === train.name ? items : this.#readAll(heldOut);
    const schema = gsm8kItemSchema(this.config);
    this.#train = new ItemCursor({ dataset: train, schema, shuffleSeed: this.config.seed });
  }

  override async getNextItem(): Promise<Gsm8kItem | null> {
    return this.#train?.next() ?? null;
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

  override async postprocessGroup(group: ScoredGroup): Promise<ScoredGroup> {
    for (const score of group.scores) this.recordMetric("train/percent_correct", score);
    return group;
  }

  /** Plays the held-out problems like training rollouts, tools and all, at `eval_temperature`. */
  override async evaluate(options: EvaluateOptions): Promise<Evaluation | null> {
    if (this.#heldOut === undefined) return null;
    const { eval_max_items: limit } = this.config;
    const items = limit < 0 ? this.#heldOut : this.#heldOut.slice(0, limit);
    return this.evaluateItems(items, { ...options, describe: ({ question, gold }) => ({ question, gold }) });
  }

  override checkpointState(): JsonObject | null {
    return this.#train?.position ?? null;
  }

  override async restoreState(state: JsonObject): Promise<void> {
    this.#train?.restore(cursorState.parse(state));
  }

  /** The usable rows in the file's order; tells once how many are not, and of the first one why. */
  #readAll(dataset: Dataset): Gsm8kItem[] {
    const bad: BadRow[] = [];
    const items = new ItemCursor({
      dataset,
      schema: gsm8kItemSchema(this.config),
      shuffleSeed: null,
      epochs: 1,
      onBadRow: (row) => bad.push(row),
    })
      .rest()
      .toArray();
    const [first] = bad;
    if (first !== undefined) {
      this.services.events.emit("notice", {
        level: "warn",
        code: "DATASET_INVALID",
        message: `${bad.length} of ${dataset.length} rows of ${dataset.name} are skipped; the first: ${first.file}:${first.line}: ${first.reason}`,
      });
    }
    return items;
  }
}

export default Gsm8kAgentEnv;

if (import.meta.main) await Gsm8kAgentEnv.cli();
