/**
 * The base of environments whose reward is a matter of configuration (`env.reward`), and not of code: the items are
 * rows, and whatever rewards the configuration names score them. The parts are logged beside the score.
 */
import type { z } from "zod";
import { createReward, type RewardSpec, rewardSpec } from "../rewards/create-reward.ts";
import type { Reward, RewardItem, RewardResult } from "../rewards/reward.ts";
import { RewardStatistics } from "../rewards/reward-statistics.ts";
import type { AgentResult } from "../src/agent/agent-result.ts";
import type { PrepareOptions } from "../src/env/base-env.ts";
import type { HermesAgentEnvConfig } from "../src/env/env-config.ts";
import { HermesAgentBaseEnv, type RolloutPlace } from "../src/env/hermes-agent-base-env.ts";
import type { PlayedRollout } from "../src/env/run-rollout.ts";
import { judgeConfig } from "../src/inference/judge/judge-config.ts";
import type { ToolContext } from "../src/tools/tool-context.ts";

/** Fields for such an environment's schema. */
export const rewardFields = {
  reward: rewardSpec
    .default("accuracy")
    .describe(
      "What scores a rollout: a reward's name, { type, name, weight, params }, or a list of them (docs/rewards.md).",
    ),
  judge: judgeConfig
    .nullable()
    .default(null)
    .describe("The judge model that the reward judge asks, a server of its own (docs/rewards.md, Judge)."),
};

type RewardedConfig = HermesAgentEnvConfig & z.output<z.ZodObject<typeof rewardFields>>;

export abstract class RewardedEnv<
  Item extends RewardItem = RewardItem,
  Config extends RewardedConfig = RewardedConfig,
> extends HermesAgentBaseEnv<Item, Config> {
  readonly #statistics = new RewardStatistics();
  readonly #results = new WeakMap<AgentResult, RewardResult>();
  #trainingStep = 0;
  #reward: Reward | undefined;
  readonly #stopListening = this.services.events.on("server-status", ({ step }) => {
    this.#trainingStep = step;
  });

  /** Proves that the configured reward can be made, too: REWARD_UNKNOWN, REWARD_INVALID. */
  override async prepare(options: PrepareOptions): Promise<void> {
    this.#openReward();
    await super.prepare(options);
  }

  override async computeReward(
    item: Item,
    rollout: AgentResult,
    toolContext: ToolContext,
    { signal }: { signal: AbortSignal },
  ): Promise<number> {
    const result = await this.#openReward()({ rollout, item, toolContext, signal });
    this.#results.set(rollout, result);
    return result.score;
  }

  override async playRollout(item: Item, place: RolloutPlace): Promise<PlayedRollout> {
    const rollout = await super.playRollout(item, place);
    const result = this.rewardOf(rollout);
    if (place.split === "train" && rollout.outcome.kind === "scored" && result) this.#statistics.add(result);
    return rollout;
  }

  /** How a rollout's score came about; undefined where it has none. */
  rewardOf({ result }: PlayedRollout): RewardResult | undefined {
    return result === null ? undefined : this.#results.get(result);
  }

  override takeMetrics(): Record<string, number> {
    return { ...super.takeMetrics(), ...this.#statistics.take() };
  }

  override async cleanup(): Promise<void> {
    this.#stopListening();
    await super.cleanup();
  }

  /** The configured reward; override to add what the environment knows. */
  protected rewardSpec(): RewardSpec {
    return this.config.reward;
  }

  #openReward(): Reward {
    this.#reward ??= createReward(this.rewardSpec(), {
      services: { trainingStep: () => this.#trainingStep, judge: this.services.judge },
    });
    return this.#reward;
  }
}
