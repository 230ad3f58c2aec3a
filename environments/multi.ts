/**
 * Several environments in one process, mixed by weight: one run and one set of model servers, and for each its own
 * items, groups, reward, tools, sandboxes, evaluation and checkpoint. What concerns the run as a whole (group size,
 * trainer, tokenizer) stands in this environment's keys; everything else in theirs.
 */
import { z } from "zod";
import type { JsonObject } from "../src/contracts/chat.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import type { ScoredGroup } from "../src/contracts/scored-group.ts";
import { BaseEnv, type PrepareOptions } from "../src/env/base-env.ts";
import { deriveSeed } from "../src/env/derive-seed.ts";
import type { EnvDefaults, OpenedEnvironment } from "../src/env/env-class.ts";
import { baseEnvConfig } from "../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../src/env/evaluation.ts";
import type { GroupContext, GroupResult } from "../src/env/group.ts";
import { tokenFields } from "../src/env/token-fields.ts";

const { segments, mask_truncated, advantage, turn_discount, ...serverFields } = tokenFields;

const runFields = baseEnvConfig.extend(serverFields);

/** Each environment's own, though every environment has it. */
const ownKeys: readonly string[] = ["max_token_length", "eval_seeded"];

const entry = z.strictObject({
  name: z.string().min(1).describe("Registered environment, or the path of a file."),
  label: z
    .string()
    .regex(/^[\w.-]+$/, "expected letters, digits, _, . and - only")
    .optional()
    .describe("What its metrics begin with, and its part of the checkpoint. Default: its name."),
  weight: z.number().positive().default(1).describe("Its share of the groups, against the others'."),
  config: z.record(z.string(), z.json()).default({}).describe("Its own keys, over its class's defaults."),
});

export const multiConfig = runFields.extend({
  environments: z
    .array(entry)
    .min(1)
    .default([
      { name: "gsm8k-agent", weight: 1, config: {} },
      { name: "games", weight: 1, config: {} },
    ])
    .describe("The environments: a list of { name, label, weight, config }."),
});

export type MultiConfig = z.output<typeof multiConfig>;

/** An item of one of them. */
export type MultiItem = { label: string; item: unknown };

type Part = OpenedEnvironment & {
  label: string;
  weight: number;
  /** Items taken so far. */
  drawn: number;
};

const savedState = z.object({
  drawn: z.record(z.string(), z.int().min(0)),
  parts: z.record(z.string(), z.record(z.string(), z.json()).nullable()),
});

export class MultiEnv extends BaseEnv<MultiItem, MultiConfig> {
  static override readonly envName: string = "multi";
  static readonly description = "Several environments in one run, mixed by weight.";
  static readonly configSchema = multiConfig;
  static readonly defaults: EnvDefaults<MultiConfig> = { env: { max_token_length: 1024 } };

  #parts: Part[] = [];

  override async prepare(options: PrepareOptions): Promise<void> {
    const { openEnvironment } = this.services;
    if (openEnvironment === undefined) {
      throw new LachesisError("INTERNAL", "multi: the run can't open further environments.");
    }
    for (const { name, weight, config, place, label } of this.#entries()) {
      const shared = { ...this.#runConfig(), seed: deriveSeed(this.config.seed, "part", label) };
      const opened = await openEnvironment({ name, config, shared, place, purpose: options.purpose });
      const { env } = opened;
      this.#parts.push({
        env,
        label,
        weight,
        drawn: 0,
        [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
      });
      await env.prepare(options);
    }
  }

  override async setup(options: { signal: AbortSignal }): Promise<void> {
    for (const { env } of this.#parts) await env.setup(options);
  }

  override parts(): readonly { label: string; env: BaseEnv }[] {
    return this.#parts;
  }

  /** Of the one that lags furthest behind its share; of another where that has none. */
  override async getNextItem(options: { signal: AbortSignal }): Promise<MultiItem | null> {
    const byNeed = this.#parts.toSorted((a, b) => (a.drawn + 1) / a.weight - (b.drawn + 1) / b.weight);
    for (const part of byNeed) {
      const item = await part.env.getNextItem(options);
      if (item === null) continue;
      part.drawn += 1;
      return { label: part.label, item };
    }
    return null;
  }

  override async collectGroup({ label, item }: MultiItem, context: GroupContext): Promise<GroupResult> {
    const part = this.#part(label);
    const result = await part.env.collectGroup(item, {
      ...context,
      logger: context.logger.child({ environment: label }),
    });
    if (result.kind === "failed") return result;
    const { scores } = result.group;
    const mean = scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length);
    this.recordMetric(`${label}/group_score`, mean);
    return result;
  }

  /** Groups say whose they are: `group_overrides.environment`. */
  override async postprocessGroup(
    group: ScoredGroup,
    { label, item }: MultiItem,
  ): Promise<ScoredGroup | null> {
    const own = await this.#part(label).env.postprocessGroup(group, item);
    return own && { ...own, group_overrides: { ...own.group_overrides, environment: label } };
  }

  override takeMetrics(): Record<string, number> {
    const ofParts = this.#parts.flatMap(({ label, env, drawn }) => [
      ...Object.entries(env.takeMetrics()).map(([name, value]) => [`${label}/${name}`, value] as const),
      [`${label}/items`, drawn] as const,
    ]);
    return { ...super.takeMetrics(), ...Object.fromEntries(ofParts) };
  }

  /** One after the other, each as it would alone; null where none has an evaluation. */
  override async evaluate({ scope = "", ...options }: EvaluateOptions): Promise<Evaluation | null> {
    const metrics: Record<string, number> = {};
    const samples: JsonObject[] = [];
    let evaluated = 0;
    for (const { label, env } of this.#parts) {
      const own = await env.evaluate({ ...options, scope: `${scope}${label}/` });
      if (own === null) continue;
      evaluated += 1;
      for (const [name, value] of Object.entries(own.metrics)) metrics[`${label}/${name}`] = value;
      samples.push(...own.samples.map((sample) => ({ environment: label, ...sample })));
    }
    return evaluated === 0 ? null : { metrics, samples };
  }

  override checkpointState(): JsonObject {
    return {
      drawn: Object.fromEntries(this.#parts.map(({ label, drawn }) => [label, drawn])),
      parts: Object.fromEntries(this.#parts.map(({ label, env }) => [label, env.checkpointState()])),
    };
  }

  /** An environment that is new in the mix begins at its start. */
  override async restoreState(state: JsonObject): Promise<void> {
    const { drawn, parts } = savedState.parse(state);
    for (const part of this.#parts) {
      part.drawn = drawn[part.label] ?? 0;
      const own = parts[part.label];
      if (own !== null && own !== undefined) await part.env.restoreState(own);
    }
  }

  override async cleanup(): Promise<void> {
    await using closing = new AsyncDisposableStack();
    for (const part of this.#parts.splice(0)) {
      closing.use(part);
      closing.defer(() => part.env.cleanup());
    }
  }

  #part(label: string): Part {
    const part = this.#parts.find((each) => each.label === label);
    if (part !== undefined) return part;
    throw new LachesisError("INTERNAL", `multi: no environment ${label}.`);
  }

  /** Throws CONFIG_INVALID where two have one label, or one sets what is the run's. */
  #entries() {
    const labels = new Set<string>();
    return this.config.environments.map(({ label, ...given }, index) => {
      const place = `env.environments.${index}.config`;
      const own = label ?? given.name.replaceAll(/^.*\/|\.[cm]?[jt]s$/g, "");
      if (labels.has(own)) {
        throw new LachesisError("CONFIG_INVALID", `env.environments.${index}: a second "${own}".`, {
          hint: "Give environments of one name a label each.",
        });
      }
      labels.add(own);
      const runKeys = Object.keys(this.#runConfig());
      const taken = Object.keys(given.config).filter((key) => runKeys.includes(key));
      if (taken.length > 0) {
        const keys = taken.map((key) => `${place}.${key}`).join(", ");
        throw new LachesisError("CONFIG_INVALID", `${keys}: this is the run's, one for all environments.`, {
          hint: `Set ${taken.map((key) => `env.${key}`).join(", ")}.`,
        });
      }
      return { ...given, label: own, place };
    });
  }

  #runConfig(): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(this.config).filter(
        ([key]) => Object.hasOwn(runFields.shape, key) && !ownKeys.includes(key),
      ),
    );
  }
}

export default MultiEnv;

if (import.meta.main) await MultiEnv.cli();
