/**
 * The base of benchmarks whose items are the rows of a published dataset: they are evaluated, in the order of the
 * rows, and never trained on. `environment validate` plays rows of our own, so that it needs no network.
 */
import { join } from "node:path";
import { z } from "zod";
import type { RewardItem } from "../../rewards/reward.ts";
import type { JsonObject } from "../../src/contracts/chat.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import { openDataset } from "../../src/data/dataset.ts";
import { type BadRow, ItemCursor } from "../../src/data/item-cursor.ts";
import { rowAsJson } from "../../src/data/row-json.ts";
import type { PrepareOptions } from "../../src/env/base-env.ts";
import type { EnvDefaults } from "../../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../../src/env/evaluation.ts";
import { RewardedEnv, rewardFields } from "../rewarded-env.ts";

export const benchmarkConfig = hermesAgentEnvConfig.extend({
  ...rewardFields,
  dataset_path: z
    .string()
    .nullable()
    .default(null)
    .describe("Local JSONL or parquet file with the columns of the published data. Wins over dataset_name."),
  dataset_name: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Dataset on the Hugging Face hub. null = a few rows that ship with Lachesis: for trying, not for scores.",
    ),
  dataset_config: z
    .string()
    .nullable()
    .default(null)
    .describe("Config (subset) of dataset_name. null = it has only one."),
  dataset_split: z.string().default("test").describe("Split of dataset_name."),
  eval_max_items: z
    .int()
    .min(-1)
    .default(-1)
    .describe("Evaluate on this many items, from the start. -1 = all."),
  categories: z
    .array(z.string())
    .nullable()
    .default(null)
    .describe("Only items of these categories. null = all."),
});

export type BenchmarkConfig = z.output<typeof benchmarkConfig>;

/** What every benchmark of texts starts from: one answer, no tools. */
export const textBenchmarkDefaults = {
  enabled_toolsets: [],
  max_agent_turns: 1,
} as const satisfies Partial<BenchmarkConfig>;

/** For `environment validate`: the rows that ship, unless flags name a dataset. */
export const ownRows: EnvDefaults<BenchmarkConfig> = { env: { dataset_name: null } };

/** A file of rows of our own. */
export const ownRowsFile = (name: string): string => join(import.meta.dirname, "data", `${name}.jsonl`);

export abstract class BenchmarkEnv<
  Item extends RewardItem = RewardItem,
  Config extends BenchmarkConfig = BenchmarkConfig,
> extends RewardedEnv<Item, Config> {
  #items: readonly Item[] = [];
  #next = 0;

  /** Makes an item of a row as it is published. */
  protected abstract rowSchema(): z.ZodType<Item>;

  /** The file with rows of our own. */
  protected abstract ownRows(): string;

  /** What the item is counted under; null = nothing. */
  protected categoryOf(_item: Item): string | null {
    return null;
  }

  /** Rejects with BENCHMARK_NOT_FOR_TRAINING where a trainer asks. */
  override async prepare(options: PrepareOptions): Promise<void> {
    if (options.purpose === "serve") throw notForTraining(this.name);
    await super.prepare(options);
  }

  override async setup({ signal }: { signal: AbortSignal }): Promise<void> {
    const { cacheDirectory, hubToken } = this.services;
    const {
      dataset_path: path,
      dataset_name: name,
      dataset_config: config,
      dataset_split: split,
    } = this.config;
    const file = path ?? (name === null ? this.ownRows() : null);
    const dataset = await openDataset(
      file === null ? { kind: "hub", name: name ?? "", config, split } : { kind: "file", path: file },
      { signal, cacheDirectory, hubToken },
    );
    if (path === null && name === null) {
      this.#say(
        `${this.name} plays ${dataset.length} rows that ship with Lachesis: scores on them mean nothing.`,
      );
    }
    const bad: BadRow[] = [];
    const cursor = new ItemCursor({
      dataset,
      schema: this.rowSchema(),
      shuffleSeed: null,
      epochs: 1,
      onBadRow: (row) => bad.push(row),
    });
    const { categories } = this.config;
    const items = cursor
      .rest()
      .filter((item) => categories === null || categories.includes(this.categoryOf(item) ?? ""))
      .toArray();
    const [first] = bad;
    if (first !== undefined) {
      this.#say(
        `${bad.length} of ${dataset.length} rows of ${dataset.name} are skipped; the first: ${first.file}:${first.line}: ${first.reason}`,
      );
    }
    if (items.length === 0) {
      throw new LachesisError("DATASET_EMPTY", `No row of ${dataset.name} can be played by ${this.name}.`, {
        hint: categories === null ? undefined : "Correct --env.categories: no row is of one of these.",
      });
    }
    this.#items = items;
  }

  override async getNextItem(): Promise<Item | null> {
    return this.#items[this.#next++] ?? null;
  }

  override async evaluate(options: EvaluateOptions): Promise<Evaluation> {
    const { eval_max_items: most } = this.config;
    const items = most < 0 ? this.#items : this.#items.slice(0, most);
    return this.evaluateItems(items, {
      ...options,
      describe: (item, rollout) => {
        const category = this.categoryOf(item);
        const described: JsonObject = {
          item: rowAsJson(item),
          reward_parts: { ...this.rewardOf(rollout)?.parts },
          ...(category !== null && { category }),
        };
        return described;
      },
    });
  }

  #say(message: string): void {
    this.services.events.emit("notice", { level: "warn", message });
  }
}

/** Who trains on a benchmark has no benchmark any more. */
export function notForTraining(name: string): LachesisError {
  return new LachesisError(
    "BENCHMARK_NOT_FOR_TRAINING",
    `${name} is a benchmark: it is evaluated, not trained on.`,
    {
      hint: "Train on an environment with a training split (gsm8k-agent, math-agent, dataset, endless-terminals) and evaluate on this one.",
    },
  );
}
