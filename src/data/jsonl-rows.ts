/**
 * JSON Lines: one JSON value a line; blank lines are passed over but counted in line numbers. Lines end at
 * \n alone: node:readline would also split at U+2028, which may stand in a JSON string.
 */
import { createReadStream } from "node:fs";
import type { Dataset } from "./dataset.ts";
import { datasetFileError } from "./file-error.ts";

/** Rejects with DATASET_NOT_FOUND, DATASET_INVALID or the signal's reason. */
export async function readJsonlRows(path: string, { signal }: { signal: AbortSignal }): Promise<Dataset> {
  const lines: string[] = [];
  const lineNumbers: number[] = [];
  let number = 0;
  for await (const line of readLines(path, signal)) {
    number += 1;
    if (line.trim() === "") continue;
    lines.push(number === 1 ? line.replace(/^\uFEFF/, "") : line);
    lineNumbers.push(number);
  }
  return {
    name: path,
    length: lines.length,
    read(index) {
      try {
        return { ok: true, value: JSON.parse(lines[index] ?? "") };
      } catch (error) {
        return { ok: false, reason: `no valid JSON (${error instanceof Error ? error.message : error})` };
      }
    },
    locate: (index) => ({ file: path, line: lineNumbers[index] ?? 0 }),
  };
}

async function* readLines(path: string, signal: AbortSignal): AsyncGenerator<string> {
  const input = createReadStream(path, { encoding: "utf8" });
  let unfinished = "";
  try {
    for await (const chunk of input) {
      signal.throwIfAborted();
      const lines = `${unfinished}${chunk}`.split("\n");
      unfinished = lines.pop() ?? "";
      yield* lines;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw datasetFileError(path, error);
  } finally {
    input.destroy();
  }
  yield unfinished;
}
