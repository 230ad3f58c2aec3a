/**
 * Reads group files line by line, however long they are: one group is in memory at a time. A line that is no
 * group is an error that names file and line, never passed over.
 */
import { constants } from "node:buffer";
import { createReadStream } from "node:fs";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { datasetFileError } from "./file-error.ts";
import { type SavedGroup, savedGroup } from "./saved-group.ts";

export type GroupLine = { file: string; line: number; group: SavedGroup };

const newline = 0x0a;

/** Rejects with GROUP_FILE_INVALID, DATASET_NOT_FOUND or the signal's reason. Blank lines are passed over. */
export async function* readGroupLines(
  path: string,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<GroupLine> {
  for await (const { number, text } of readLines(path, signal)) {
    if (text.trim() === "") continue;
    yield { file: path, line: number, group: parseGroup(text, `${path}:${number}`) };
  }
}

/** Throws GROUP_FILE_INVALID; `where` is file and line. */
export function parseGroup(text: string, where: string): SavedGroup {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(where, `no valid JSON (${error instanceof Error ? error.message : error})`, error);
  }
  const parsed = savedGroup.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  const place = first === undefined || first.path.length === 0 ? "" : `${first.path.join(".")}: `;
  throw invalid(where, `no group: ${place}${first?.message ?? z.prettifyError(parsed.error)}`);
}

async function* readLines(
  path: string,
  signal: AbortSignal,
): AsyncGenerator<{ number: number; text: string }> {
  const input = createReadStream(path, { highWaterMark: 1024 * 1024 });
  let parts: Buffer[] = [];
  let length = 0;
  let number = 1;
  const take = (last: Buffer): string => {
    if (length + last.length > constants.MAX_STRING_LENGTH) {
      throw invalid(`${path}:${number}`, `a line of more than ${constants.MAX_STRING_LENGTH} bytes`);
    }
    const text =
      parts.length === 0 ? last.toString("utf8") : Buffer.concat([...parts, last]).toString("utf8");
    parts = [];
    length = 0;
    return number === 1 ? text.replace(/^\uFEFF/, "") : text;
  };
  try {
    for await (const read of input) {
      signal.throwIfAborted();
      const chunk = Buffer.from(read);
      let from = 0;
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, from)) {
        yield { number, text: take(chunk.subarray(from, end)) };
        from = end + 1;
        number += 1;
      }
      parts.push(chunk.subarray(from));
      length += chunk.length - from;
      if (length > constants.MAX_STRING_LENGTH) take(Buffer.alloc(0));
    }
  } catch (error) {
    signal.throwIfAborted();
    throw datasetFileError(path, error);
  } finally {
    input.destroy();
  }
  yield { number, text: take(Buffer.alloc(0)) };
}

function invalid(where: string, what: string, cause?: unknown): LachesisError {
  return new LachesisError("GROUP_FILE_INVALID", `${where}: ${what}`, {
    hint: "Mend or remove that line; a run's own torn last line is cut by `environment process --resume DIR`.",
    cause,
  });
}
