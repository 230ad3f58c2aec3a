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
  if (isOtherFormat(value)) {
    throw new LachesisError(
      "GROUP_FILE_INVALID",
      `${where}: a line of another format, without tokens and scores`,
      {
        hint: "Other formats are made of group files: name the one that this was made of.",
      },
    );
  }
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
      if (number === 1 && length === 0) refuseBinary(path, chunk);
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

/** What `convert` itself makes, and chats of anyone's. */
function isOtherFormat(value: unknown): boolean {
  if (typeof value !== "object" || value === null || "tokens" in value) return false;
  return ["messages", "conversations", "chosen", "completions", "input_ids"].some((key) => key in value);
}

/** Throws GROUP_FILE_INVALID for files that are no text, by how they begin. */
function refuseBinary(path: string, start: Buffer): void {
  const begin = start.toString("latin1", 0, 4);
  const [what, hint] = begin.startsWith("PAR1")
    ? ["a Parquet file", "Name the JSONL file of groups that it was made of."]
    : begin.startsWith("\u001f\u008b")
      ? ["a gzip file", `Unpack it first: gunzip -k ${path}`]
      : [];
  if (what === undefined || hint === undefined) return;
  throw new LachesisError("GROUP_FILE_INVALID", `${path}: ${what}; groups are read from JSONL`, { hint });
}

function invalid(where: string, what: string, cause?: unknown): LachesisError {
  return new LachesisError("GROUP_FILE_INVALID", `${where}: ${what}`, {
    hint: "Mend or remove that line; a run's own torn last line is cut by `environment process --resume DIR`.",
    cause,
  });
}
