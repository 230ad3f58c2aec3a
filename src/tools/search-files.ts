/** Searches text files inside a sandbox with its own `grep`. */
import { posix } from "node:path";
import { LachesisError } from "../contracts/errors.ts";
import type { Sandbox } from "../contracts/sandbox.ts";
import { headOf } from "./cap-text.ts";

export type SearchOptions = {
  /** File or directory. Default: the workspace. */
  path?: string;
  /** Only files whose name fits, e.g. `*.py`. */
  glob?: string;
  /** Most matches to return. Default 50. */
  limit?: number;
  /** Default 60 seconds. */
  timeoutMs?: number;
};

export type SearchMatch = { path: string; line: number; text: string };
/** `truncated`: there are more matches than `limit`. */
export type SearchResult = { matches: SearchMatch[]; truncated: boolean };

const longestLineChars = 500;

const script = `
cd / && grep -rnIEZ ${"$"}{4:+"--include=$4"} -e "$1" -- "$2" | head -n "$3" | cut -b 1-8000
`;

/** Rejects with SEARCH_FAILED where the pattern or path is no good, or the time is over. */
export async function searchFiles(
  sandbox: Sandbox,
  pattern: string,
  { path = ".", glob = "", limit = 50, timeoutMs = 60_000 }: SearchOptions,
  signal: AbortSignal,
): Promise<SearchResult> {
  const root = posix.resolve(sandbox.workspace, path);
  const result = await sandbox.exec(
    { argv: ["sh", "-c", script, "sh", pattern, root, String(limit + 1), glob], cwd: "/" },
    { timeoutMs, signal, outputLimitBytes: (limit + 1) * 8_001 + 1_000 },
  );
  const output = Buffer.from(result.stdout).toString("utf8");
  const complaint = Buffer.from(result.stderr).toString("utf8").trim();
  if (result.timedOut || (output === "" && complaint !== "")) {
    const reason = result.timedOut ? `no end after ${timeoutMs} ms` : complaint;
    throw new LachesisError("SEARCH_FAILED", `Searching ${root} for ${JSON.stringify(pattern)}: ${reason}.`);
  }
  const matches = output.split("\n").flatMap((row) => parseRow(row));
  return { matches: matches.slice(0, limit), truncated: matches.length > limit };
}

function parseRow(row: string): SearchMatch[] {
  const nameEnd = row.indexOf("\0");
  const lineEnd = row.indexOf(":", nameEnd);
  if (nameEnd < 0 || lineEnd < 0) return [];
  const line = Number(row.slice(nameEnd + 1, lineEnd));
  return [{ path: row.slice(0, nameEnd), line, text: headOf(row.slice(lineEnd + 1), longestLineChars) }];
}
