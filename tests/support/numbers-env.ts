/** An environment that makes its own groups out of numbers; a test scripts how each group goes. */
import type { JsonObject } from "../../src/contracts/chat.ts";
import { BaseEnv } from "../../src/env/base-env.ts";
import { buildGroup } from "../../src/env/build-group.ts";
import type { EnvServices } from "../../src/env/env-class.ts";
import { type BaseEnvConfig, baseEnvConfig } from "../../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../../src/env/evaluation.ts";
import type { GroupContext, GroupResult } from "../../src/env/group.ts";

export type NumbersScript = {
  /** Items are 0, 1, 2, ... below this. */
  items?: number;
  /** How an item's group goes. Default: at once, with the scores 0 and 1. */
  play?: (item: number, context: GroupContext) => Promise<GroupResult> | GroupResult;
  evaluate?: (options: EvaluateOptions) => Promise<Evaluation | null>;
  state?: () => JsonObject | null;
};

export const numbersConfig = baseEnvConfig;

/** The group of an item: one token that says the item, scores that differ. */
export function groupOf(item: number, scores: readonly number[] = [0, 1]): GroupResult {
  const group = buildGroup(
    scores.map((score) => ({ tokens: [item], masks: [item], score, inferenceLogprobs: [-0.5] })),
  );
  return { kind: "collected", group };
}

export class NumbersEnv extends BaseEnv<number> {
  static override readonly envName: string = "numbers";
  static readonly description = "Groups of numbers";
  static readonly configSchema = numbersConfig;

  script: NumbersScript = {};
  /** Items in the order in which they were played, repetitions too. */
  readonly played: number[] = [];
  readonly restored: JsonObject[] = [];
  running = 0;
  peak = 0;
  cleanups = 0;
  #next = 0;

  static make(services: EnvServices, config: Partial<BaseEnvConfig>, script: NumbersScript = {}): NumbersEnv {
    const env = new NumbersEnv({ config: numbersConfig.parse({ group_size: 2, ...config }), services });
    env.script = script;
    return env;
  }

  override async getNextItem(): Promise<number | null> {
    return this.#next < (this.script.items ?? Number.POSITIVE_INFINITY) ? this.#next++ : null;
  }

  override async collectGroup(item: number, context: GroupContext): Promise<GroupResult> {
    this.played.push(item);
    this.running += 1;
    this.peak = Math.max(this.peak, this.running);
    try {
      return await (this.script.play?.(item, context) ?? groupOf(item));
    } finally {
      this.running -= 1;
    }
  }

  override async evaluate(options: EvaluateOptions): Promise<Evaluation | null> {
    return this.script.evaluate?.(options) ?? null;
  }

  override checkpointState(): JsonObject | null {
    return this.script.state?.() ?? null;
  }

  override async restoreState(state: JsonObject): Promise<void> {
    this.restored.push(state);
  }

  override async cleanup(): Promise<void> {
    this.cleanups += 1;
  }
}
