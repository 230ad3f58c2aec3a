/**
 * The base of every environment: where items come from, how one becomes a scored group, how the model is
 * evaluated. The verbs (`serve`, `process`, `evaluate`) drive it; an environment never schedules, sends or
 * writes by itself. Most environments extend HermesAgentBaseEnv, which plays groups with the agent loop.
 *
 * Calls come in this order: `prepare` and `setup` once, then `getNextItem` (never two at once) and `collectGroup` (many at
 * once), `evaluate` between them, `cleanup` last and always.
 */
import type { JsonObject } from "../contracts/chat.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import type { EnvArguments, EnvClass, EnvServices, RunPurpose } from "./env-class.ts";
import type { BaseEnvConfig } from "./env-config.ts";
import type { EvaluateOptions, Evaluation } from "./evaluation.ts";
import type { GroupContext, GroupResult } from "./group.ts";

/** Without a purpose the scores alone are wanted. */
export type PrepareOptions = { signal: AbortSignal; purpose?: RunPurpose | undefined };

export abstract class BaseEnv<Item = unknown, Config extends BaseEnvConfig = BaseEnvConfig> {
  /** Registered name, kebab-case; every environment sets its own. */
  static readonly envName: string = "";

  readonly name: string;
  readonly config: Config;
  readonly services: EnvServices;
  readonly #measured = new Map<string, { sum: number; count: number }>();

  constructor({ config, services }: EnvArguments<Config>) {
    this.name = new.target.envName || new.target.name;
    this.config = config;
    this.services = services;
  }

  /** The engine's own preparation, before `setup`; environments override `setup` instead. */
  async prepare(_options: PrepareOptions): Promise<void> {}

  /** Loads what the environment needs before its first item, e.g. a dataset. */
  async setup(_options: { signal: AbortSignal }): Promise<void> {}

  /** The next item to play. null: `serve` asks again later, `process` ends. */
  abstract getNextItem(options: { signal: AbortSignal }): Promise<Item | null>;

  /** Plays one item `config.group_size` times. Rejects only with the signal's reason or on a defect. */
  abstract collectGroup(item: Item, context: GroupContext): Promise<GroupResult>;

  /** Scores the model on held-out items; null = this environment has no evaluation. */
  async evaluate(_options: EvaluateOptions): Promise<Evaluation | null> {
    return null;
  }

  /** Last word on a group before it is checked and sent; null drops it. */
  async postprocessGroup(group: ScoredGroup, _item: Item): Promise<ScoredGroup | null> {
    return group;
  }

  /** The environments that this one mixes, by name, once it has been prepared. */
  parts(): readonly { label: string; env: BaseEnv }[] {
    return [];
  }

  /** Notes one value of a metric; its mean is logged at the next training step. */
  recordMetric(name: string, value: number): void {
    const { sum, count } = this.#measured.get(name) ?? { sum: 0, count: 0 };
    this.#measured.set(name, { sum: sum + value, count: count + 1 });
  }

  /** Metrics since the last call, for the step's log line. Overrides extend `super.takeMetrics()`. */
  takeMetrics(): Record<string, number> {
    const means = [...this.#measured].map(([name, { sum, count }]) => [name, sum / count] as const);
    this.#measured.clear();
    return Object.fromEntries(means);
  }

  /** State to write into a checkpoint, e.g. the position in the dataset; null = none. */
  checkpointState(): JsonObject | null {
    return null;
  }

  /** Takes up what `checkpointState` gave in an earlier run. Called after `setup`. */
  async restoreState(_state: JsonObject): Promise<void> {}

  /** Lets go of whatever `setup` took. Called once, also when `setup` failed. */
  async cleanup(): Promise<void> {}

  /**
   * Runs the `environment` command for this class with the process's arguments, so that an env file works
   * by itself: `if (import.meta.main) await MyEnv.cli();`
   */
  static async cli(this: EnvClass): Promise<void> {
    // biome-ignore lint/style/noRestrictedImports: the one way up; loaded only when an env file is the program
    const { runEnvironmentCli } = await import("../cli/run-environment-cli.ts");
    // biome-ignore lint/complexity/noThisInStatic: the class it is called on, not this base
    await runEnvironmentCli(this);
  }
}
