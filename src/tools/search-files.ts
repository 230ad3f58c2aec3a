/** Searches files inside a sandbox with its own programs (search-script.ts), one page of results at a time. */
import { posix } from "node:path";
import { LachesisError } from "../contracts/errors.ts";
import type { Sandbox } from "../contracts/sandbox.ts";
import { headOf } from "./cap-text.ts";
import { pathGlob } from "./path-glob.ts";
import { sandboxPath } from "./sandbox-path.ts";
import { searchScript } from "./search-script.ts";

export type SearchMode = "content" | "files_only" | "count" | "names";

export type SearchRequest = {
  /** content: lines that match; files_only: files that hold such lines; count: how many each; names: files by glob. */
  mode: SearchMode;
  /** A regular expression as ripgrep reads it; ignored for names. */
  pattern: string;
  /** Absolute path of a file or directory. */
  root: string;
  /** Only these files, as ripgrep's --glob has it; "" = all. */
  glob: string;
  /** Whether files and directories count whose name starts with a dot. */
  hidden: boolean;
  offset: number;
  limit: number;
  timeoutMs: number;
  /** Default: ripgrep where the sandbox has it. */
  program?: "auto" | "ripgrep" | "grep" | undefined;
};

export type SearchRow = { path: string; line: number; text: string; count: number };
export type SearchPage = {
  /** Paths are absolute; what the mode doesn't give is 0 or "". */
  rows: SearchRow[];
  /** Rows that there are, on all pages. */
  totalRows: number;
  /** count: the sum over all files; else as `totalRows`. */
  totalCount: number;
  /** What could not be searched, as the program says it; "" = nothing. */
  complaint: string;
};

/** Why a search can't be made: the words are for whoever wrote the pattern. */
export type SearchRefusal = { problem: string };

const exitCode = { file: 3, notFound: 4, notRegular: 5 } as const;
/** Reading a pipe would wait for a writer, and some devices have no end. */
const kindScript = `
if [ -d "$1" ]; then exit 0; elif [ -f "$1" ]; then exit ${exitCode.file}; fi
if [ -e "$1" ]; then exit ${exitCode.notRegular}; else exit ${exitCode.notFound}; fi`;
const longestLineChars = 500;
const rowLimitBytes = 8_001;

/** Rejects as `Sandbox.exec` does. */
export async function searchPage(
  sandbox: Sandbox,
  request: SearchRequest,
  signal: AbortSignal,
): Promise<SearchPage | SearchRefusal> {
  const { mode, pattern, root, glob, offset, limit, timeoutMs, program = "auto" } = request;
  if (/[\n\0]/.test(pattern + glob)) return { problem: "a pattern finds no line ends: search line by line" };
  const paths = glob === "" ? { regex: "", isNegated: false } : pathGlob(glob);
  if (paths === null) return { problem: `${JSON.stringify(glob)} is no glob: a [ or { stays open` };

  const kind = await sandbox.exec(
    { argv: ["sh", "-c", kindScript, "sh", root], cwd: "/" },
    { timeoutMs, signal },
  );
  if (kind.exitCode === exitCode.notFound) return { problem: `there is no path ${root}` };
  if (kind.exitCode === exitCode.notRegular)
    return { problem: `${root} is neither a regular file nor a directory` };
  const isFile = kind.exitCode === exitCode.file;
  const directory = isFile ? posix.dirname(root) : root;
  const result = await sandbox.exec(
    {
      argv: [
        ...(["sh", "-c", searchScript, "sh", program, mode, pattern, directory] as const),
        ...[isFile ? `./${posix.basename(root)}` : "./", request.hidden ? "1" : ""],
        ...[String(offset + 1), String(offset + limit), isFile ? "" : glob],
        ...[isFile ? "" : paths.regex, paths.isNegated ? "v" : ""],
      ],
      cwd: "/",
    },
    { timeoutMs, signal, outputLimitBytes: limit * rowLimitBytes + 10_000 },
  );
  if (result.timedOut) return { problem: `no end after ${timeoutMs} ms: search fewer files` };
  const { complaint, status } = readComplaint(Buffer.from(result.stderr).toString("utf8"));
  const lines = Buffer.from(result.stdout).toString("utf8").split("\n");
  if (lines.at(-1) === "") lines.pop();
  const totalRows = Number(lines.pop() ?? 0);
  const totalCount = mode === "count" ? Number(lines.pop() ?? 0) : totalRows;
  if (status !== 0 && totalRows === 0) {
    return { problem: complaint || `the search ended with status ${status}` };
  }
  const rows = lines.flatMap((line) => parseRow(line, mode, directory));
  return { rows, totalRows, totalCount, complaint: status === 0 ? "" : complaint };
}

function parseRow(row: string, mode: SearchMode, directory: string): SearchRow[] {
  const at = (path: string) => posix.resolve(directory, path);
  const none = { line: 0, text: "", count: 0 };
  if (mode === "names" || mode === "files_only") return [{ ...none, path: at(row) }];
  if (mode === "count") {
    const end = row.lastIndexOf(":");
    return [{ ...none, path: at(row.slice(0, end)), count: Number(row.slice(end + 1)) }];
  }
  const nameEnd = row.indexOf("\0");
  const lineEnd = row.indexOf(":", nameEnd);
  // What a program says between its rows is none, e.g. ripgrep's word that a file is binary after all.
  if (nameEnd < 0 || lineEnd < 0) return [];
  const line = Number(row.slice(nameEnd + 1, lineEnd));
  const text = headOf(row.slice(lineEnd + 1), longestLineChars);
  return [{ ...none, path: at(row.slice(0, nameEnd)), line, text }];
}

/** The last line is the status; before it stand the program's own words. */
function readComplaint(stderr: string): { complaint: string; status: number } {
  const [, words = "", status] = /^([\s\S]*?)exit (\d+)\n$/.exec(stderr) ?? [undefined, stderr, "70"];
  return { complaint: headOf(words.trim(), 1_000), status: Number(status) };
}

export type SearchOptions = {
  /** File or directory. Default: the workspace. */
  path?: string;
  /** Only files that fit, e.g. `*.py`. */
  glob?: string;
  /** Most matches to return. Default 50. */
  limit?: number;
  /** Default 60 seconds. */
  timeoutMs?: number;
};

export type SearchMatch = { path: string; line: number; text: string };
/** `truncated`: there are more matches than `limit`. */
export type SearchResult = { matches: SearchMatch[]; truncated: boolean };

/** Matching lines, hidden files included. Rejects with SEARCH_FAILED where the pattern or path is no good, or the time is over. */
export async function searchFiles(
  sandbox: Sandbox,
  pattern: string,
  { path = ".", glob = "", limit = 50, timeoutMs = 60_000 }: SearchOptions,
  signal: AbortSignal,
): Promise<SearchResult> {
  const root = sandboxPath(sandbox, path);
  const request = {
    mode: "content",
    pattern,
    root,
    glob,
    hidden: true,
    offset: 0,
    limit,
    timeoutMs,
  } as const;
  const page = await searchPage(sandbox, request, signal);
  if ("problem" in page) {
    throw new LachesisError(
      "SEARCH_FAILED",
      `Searching ${root} for ${JSON.stringify(pattern)}: ${page.problem}.`,
    );
  }
  const matches = page.rows.map(({ path, line, text }) => ({ path, line, text }));
  return { matches, truncated: page.totalRows > limit };
}
