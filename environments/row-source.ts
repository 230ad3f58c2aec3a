/**
 * Items from the rows of a dataset, for environments that are one: training rows epoch after epoch in a shuffled
 * order, held-out rows in the order of their file. A row that can't be an item is left out, and said once.
 */
import { z } from "zod";
import { LachesisError } from "../src/contracts/errors.ts";
import { type Dataset, type DatasetSource, openDataset } from "../src/data/dataset.ts";
import { type BadRow, type CursorPosition, ItemCursor } from "../src/data/item-cursor.ts";
import type { EnvServices } from "../src/env/env-class.ts";

/** Fields that say where the rows come from; environments spread them into their schema. */
export const rowFields = {
  dataset_path: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Local JSONL or parquet file of items, for training and, without eval_dataset_path, for evaluation. Wins over dataset_name.",
    ),
  dataset_name: z.string().nullable().default(null).describe("Dataset on the Hugging Face hub."),
  dataset_config: z
    .string()
    .nullable()
    .default(null)
    .describe("Config (subset) of dataset_name. null = the dataset has only one."),
  dataset_split: z.string().default("train").describe("Split of dataset_name for training items."),
  eval_dataset_path: z
    .string()
    .nullable()
    .default(null)
    .describe("Local JSONL or parquet file of items for evaluation."),
  eval_dataset_split: z.string().default("test").describe("Split of dataset_name for evaluation."),
  eval_max_items: z
    .int()
    .min(-1)
    .default(-1)
    .describe("Evaluate on this many items, from the start of the file. -1 = all."),
};

export type RowConfig = z.output<z.ZodObject<typeof rowFields>> & { seed: number };

export type OpenRowsOptions<Item extends object> = {
  config: RowConfig;
  /** Makes an item of a raw row; what it refuses is left out. */
  schema: z.ZodType<Item>;
  /** Files that ship with Lachesis, for who names no dataset. */
  bundled?: { train: string; test: string };
  services: EnvServices;
  signal: AbortSignal;
};

const cursorState = z.object({ epoch: z.int(), index: z.int() });

export class RowSource<Item extends object> {
  readonly #train: ItemCursor<Item>;
  readonly #heldOut: readonly Item[];
  /** Something people should know before they read an evaluation; said once. */
  #warnOfEvaluation: () => void;

  private constructor(train: ItemCursor<Item>, heldOut: readonly Item[], warnOfEvaluation: () => void) {
    this.#train = train;
    this.#heldOut = heldOut;
    this.#warnOfEvaluation = warnOfEvaluation;
  }

  /** Rejects as `openDataset` does, and with CONFIG_INVALID where no dataset is named and none is bundled. */
  static async open<Item extends object>(options: OpenRowsOptions<Item>): Promise<RowSource<Item>> {
    const { config, schema, services } = options;
    const train = await openRows("train", options);
    const heldOut = await openRows("eval", options);
    const items = readAll(train, options);
    const limit = config.eval_max_items < 0 ? Number.POSITIVE_INFINITY : config.eval_max_items;
    const isSame = heldOut.name === train.name;
    const heldOutItems = isSame ? items : readAll(heldOut, options);
    const warn = () =>
      services.events.emit("notice", {
        level: "warn",
        message: `The evaluation plays the training rows of ${train.name}; --env.eval_dataset_path names others.`,
      });
    return new RowSource(
      new ItemCursor({ dataset: train, schema, shuffleSeed: config.seed }),
      heldOutItems.slice(0, limit),
      isSame ? warn : () => undefined,
    );
  }

  /** The next training item. Throws DATASET_EMPTY where no row can be one. */
  next(): Item | null {
    return this.#train.next();
  }

  /** The items to evaluate on. */
  heldOut(): readonly Item[] {
    this.#warnOfEvaluation();
    this.#warnOfEvaluation = () => undefined;
    return this.#heldOut;
  }

  /** For checkpoints. */
  get position(): CursorPosition {
    return this.#train.position;
  }

  /** Goes on from what `position` gave. Throws where it is none, or the dataset has no such row. */
  restore(position: unknown): void {
    this.#train.restore(cursorState.parse(position));
  }
}

function openRows<Item extends object>(
  split: "train" | "eval",
  { config, bundled, services, signal }: OpenRowsOptions<Item>,
): Promise<Dataset> {
  const { cacheDirectory, hubToken } = services;
  return openDataset(sourceOf(split, config, bundled), { signal, cacheDirectory, hubToken });
}

function sourceOf(
  split: "train" | "eval",
  config: RowConfig,
  bundled: { train: string; test: string } | undefined,
): DatasetSource {
  const path = (split === "eval" ? config.eval_dataset_path : null) ?? config.dataset_path;
  if (path !== null) return { kind: "file", path };
  if (config.dataset_name !== null) {
    return {
      kind: "hub",
      name: config.dataset_name,
      config: config.dataset_config,
      split: split === "eval" ? config.eval_dataset_split : config.dataset_split,
    };
  }
  if (bundled !== undefined) return { kind: "file", path: split === "eval" ? bundled.test : bundled.train };
  throw new LachesisError(
    "CONFIG_INVALID",
    "This environment plays the rows of a dataset, and none is named.",
    {
      hint: "Give --env.dataset_path FILE (JSONL or parquet), or --env.dataset_name NAME of the Hugging Face hub.",
    },
  );
}

/** The usable rows in the file's order; tells how many are not, and of the first one why. */
function readAll<Item extends object>(dataset: Dataset, { schema, services }: OpenRowsOptions<Item>): Item[] {
  const bad: BadRow[] = [];
  const cursor = new ItemCursor({
    dataset,
    schema,
    shuffleSeed: null,
    epochs: 1,
    onBadRow: (row) => bad.push(row),
  });
  const items = cursor.rest().toArray();
  const [first] = bad;
  if (first !== undefined) {
    services.events.emit("notice", {
      level: "warn",
      code: "DATASET_INVALID",
      message: `${bad.length} of ${dataset.length} rows of ${dataset.name} are skipped; the first: ${first.file}:${first.line}: ${first.reason}`,
    });
  }
  return items;
}
