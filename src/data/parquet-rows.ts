/** Parquet files with every usual compression. Rows are plain objects of column values. */
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { Dataset } from "./dataset.ts";
import { datasetFileError } from "./file-error.ts";

/** Rejects with DATASET_NOT_FOUND, DATASET_INVALID or the signal's reason. */
export async function readParquetRows(path: string, { signal }: { signal: AbortSignal }): Promise<Dataset> {
  let rows: unknown[];
  try {
    rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors });
  } catch (error) {
    throw datasetFileError(path, error);
  }
  signal.throwIfAborted();
  return {
    name: path,
    length: rows.length,
    read: (index) => ({ ok: true, value: rows[index] }),
    locate: (index) => ({ file: path, line: index + 1 }),
  };
}
