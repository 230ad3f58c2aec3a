/**
 * Rows of a dataset, from wherever it lies: a local JSONL or parquet file, or the Hugging Face hub. Rows are
 * raw here (`unknown`): `ItemCursor` parses them when their turn comes. All rows are held in memory; a JSONL
 * line is kept as text until it is asked for.
 */
import { extname } from "node:path";
import { LachesisError } from "../contracts/errors.ts";
import { cacheHubDataset, type HubOptions } from "./hub-dataset.ts";
import { readJsonlRows } from "./jsonl-rows.ts";
import { readParquetRows } from "./parquet-rows.ts";

export type DatasetSource =
  | { kind: "file"; path: string }
  | {
      kind: "hub";
      /** e.g. "openai/gsm8k". */
      name: string;
      /** Subset, e.g. "main"; null for a dataset that has just one. */
      config: string | null;
      /** e.g. "train". */
      split: string;
      /** Branch, tag or commit. Default "main". */
      revision?: string;
    };

/** `line` starts at 1: the line of a JSONL file, the row of a parquet file. */
export type RowPosition = { file: string; line: number };

export type RawRow = { ok: true; value: unknown } | { ok: false; reason: string };

export interface Dataset {
  /** Names the dataset in messages: a path, or name, config and split on the hub. */
  readonly name: string;
  readonly length: number;
  /** The row; "not ok" when it can't be read by itself (broken JSON). `index` is below `length`. */
  read(index: number): RawRow;
  locate(index: number): RowPosition;
}

export type DatasetOptions = HubOptions;

/**
 * Opens a dataset; one of the hub is downloaded once and then read from the cache, without network. Rejects
 * with DATASET_NOT_FOUND, DATASET_INVALID, DATASET_ACCESS_DENIED, DATASET_UNREACHABLE, DATASET_EMPTY, or
 * with the signal's reason.
 */
export async function openDataset(source: DatasetSource, options: DatasetOptions): Promise<Dataset> {
  options.signal.throwIfAborted();
  const files = source.kind === "file" ? [source.path] : await cacheHubDataset(source, options);
  const parts: Dataset[] = [];
  for (const file of files) parts.push(await readRows(file, options.signal));
  const name =
    source.kind === "file"
      ? source.path
      : [source.name, source.config, source.split].filter(Boolean).join("/");
  const dataset = concatenate(name, parts);
  if (dataset.length === 0) {
    throw new LachesisError("DATASET_EMPTY", `Dataset ${name} holds no rows.`);
  }
  return dataset;
}

function readRows(path: string, signal: AbortSignal): Promise<Dataset> {
  switch (extname(path).toLowerCase()) {
    case ".jsonl":
    case ".ndjson":
      return readJsonlRows(path, { signal });
    case ".parquet":
      return readParquetRows(path, { signal });
    default:
      throw new LachesisError("DATASET_INVALID", `Dataset ${path}: expected a .jsonl or .parquet file.`, {
        hint: "Convert the data to JSONL (one JSON object a line) or parquet, with that file name extension.",
      });
  }
}

function concatenate(name: string, parts: readonly Dataset[]): Dataset {
  const find = (index: number): [Dataset, number] => {
    let rest = index;
    for (const part of parts) {
      if (rest < part.length) return [part, rest];
      rest -= part.length;
    }
    throw new RangeError(`Row ${index} of ${name}: there are ${length}`);
  };
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return {
    name,
    length,
    read(index) {
      const [part, at] = find(index);
      return part.read(at);
    },
    locate(index) {
      const [part, at] = find(index);
      return part.locate(at);
    },
  };
}
