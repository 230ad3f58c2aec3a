/**
 * Walks a dataset epoch after epoch and hands out parsed items. A row is parsed when its turn comes; one that
 * can't be an item (broken JSON, a missing answer) is either skipped and counted, or an error that names file
 * and line. The position can be saved and taken up again.
 */
import type { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import type { Dataset, RowPosition } from "./dataset.ts";
import { shuffledOrder } from "./shuffled-order.ts";

export type BadRow = RowPosition & { reason: string };

export type ItemCursorOptions<Item extends object> = {
  dataset: Dataset;
  /** Makes an item of a raw row; what it refuses is a bad row. */
  schema: z.ZodType<Item>;
  /** Shuffles each epoch in an order of its own; null = the order of the file, every time. */
  shuffleSeed: number | null;
  /** Default: without end. */
  epochs?: number;
  /** Default "skip". */
  badRows?: "skip" | "error";
  /** Called once per bad row, however many epochs pass over it. */
  onBadRow?: (row: BadRow) => void;
};

export type CursorPosition = { epoch: number; index: number };

export class ItemCursor<Item extends object> {
  readonly #options: ItemCursorOptions<Item>;
  readonly #bad = new Set<number>();
  #firstBad: BadRow | undefined;
  #position: CursorPosition = { epoch: 0, index: 0 };
  #order: Uint32Array | undefined;

  constructor(options: ItemCursorOptions<Item>) {
    this.#options = options;
  }

  /** Bad rows met so far, each counted once. */
  get badRows(): number {
    return this.#bad.size;
  }

  /** Where the next item is looked for. */
  get position(): CursorPosition {
    return { ...this.#position };
  }

  /** Goes on from a saved position. Throws DATASET_INVALID when the dataset has no such row. */
  restore({ epoch, index }: CursorPosition): void {
    const { dataset } = this.#options;
    if (
      !Number.isInteger(epoch) ||
      !Number.isInteger(index) ||
      epoch < 0 ||
      index < 0 ||
      index > dataset.length
    ) {
      throw new LachesisError(
        "DATASET_INVALID",
        `Can't go on at row ${index} of epoch ${epoch}: dataset ${dataset.name} has ${dataset.length} rows.`,
        { hint: "Resume with the dataset that the run started with." },
      );
    }
    this.#position = { epoch, index };
    this.#order = undefined;
  }

  /**
   * The next item; null after the last epoch. Throws DATASET_EMPTY when no row of the whole dataset can be
   * used, and DATASET_INVALID at a bad row under `badRows: "error"`.
   */
  next(): Item | null {
    const { dataset, epochs = Number.POSITIVE_INFINITY } = this.#options;
    while (this.#position.epoch < epochs) {
      if (this.#position.index >= dataset.length) {
        this.#position = { epoch: this.#position.epoch + 1, index: 0 };
        this.#order = undefined;
        continue;
      }
      const row = this.#rowAt(this.#position.index++);
      const item = this.#bad.has(row) ? null : this.#parse(row);
      if (item !== null) return item;
      if (this.#bad.size === dataset.length) throw this.#noUsableRow();
    }
    return null;
  }

  /** All items from the current position to the end of the last epoch. */
  *rest(): Generator<Item> {
    for (let item = this.next(); item !== null; item = this.next()) yield item;
  }

  #rowAt(index: number): number {
    const { dataset, shuffleSeed } = this.#options;
    if (shuffleSeed === null) return index;
    this.#order ??= shuffledOrder(dataset.length, { seed: shuffleSeed, epoch: this.#position.epoch });
    return this.#order[index] ?? index;
  }

  #parse(row: number): Item | null {
    const { dataset, schema, badRows = "skip", onBadRow } = this.#options;
    const raw = dataset.read(row);
    const parsed = raw.ok ? schema.safeParse(raw.value) : null;
    if (parsed?.success) return parsed.data;
    const reason = raw.ok ? describe(parsed?.error) : raw.reason;
    const bad = { ...dataset.locate(row), reason };
    if (badRows === "error") throw badRowError(bad);
    this.#bad.add(row);
    this.#firstBad ??= bad;
    onBadRow?.(bad);
    return null;
  }

  #noUsableRow(): LachesisError {
    const { dataset } = this.#options;
    const first = this.#firstBad;
    return new LachesisError(
      "DATASET_EMPTY",
      `Dataset ${dataset.name}: not one of its ${dataset.length} rows can be used${first ? `; ${first.file}:${first.line}: ${first.reason}` : ""}.`,
      {
        hint: "The columns are probably named otherwise: rename them, or name them where a key asks for a column.",
      },
    );
  }
}

function badRowError({ file, line, reason }: BadRow): LachesisError {
  return new LachesisError("DATASET_INVALID", `${file}:${line}: ${reason}`, {
    hint: "Correct the row, or remove it.",
  });
}

function describe(error: z.ZodError | undefined): string {
  return (error?.issues ?? [])
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`))
    .join("; ");
}
