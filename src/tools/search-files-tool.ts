/** The `search_files` tool: lines by regular expression, or files by name. */
import { posix } from "node:path";
import { z } from "zod";
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { Sandbox } from "../contracts/sandbox.ts";
import type { Tool } from "../contracts/tool.ts";
import { defineTool } from "./define-tool.ts";
import { pathParameter } from "./path-parameter.ts";
import { sandboxPath } from "./sandbox-path.ts";
import { linesAround } from "./search-context.ts";
import { type SearchMode, type SearchPage, type SearchRequest, searchPage } from "./search-files.ts";

const longestPattern = 10_000;

const parameters = z.strictObject({
  pattern: z
    .string()
    .min(1)
    .max(longestPattern)
    .describe(
      "content: a regular expression (ripgrep's), matched within lines. files: a glob such as *.py or src/**/*.ts.",
    ),
  target: z
    .enum(["content", "files"])
    .default("content")
    .describe("Search in files, or for files by their name."),
  path: pathParameter("The file or directory to search.").default("."),
  file_glob: z.string().max(longestPattern).optional().describe("content: only files that fit, e.g. *.py."),
  limit: z.int().min(1).max(500).default(50).describe("Most results to return."),
  offset: z.int().min(0).max(1_000_000).default(0).describe("Results to skip, for the next page."),
  output_mode: z
    .enum(["content", "files_only", "count"])
    .default("content")
    .describe("content: the lines. files_only: the files that have such lines. count: how many each has."),
  context: z.int().min(0).max(20).default(0).describe("Lines to show before and after each match."),
});

type Arguments = z.output<typeof parameters>;

export type SearchFilesToolOptions = {
  /** What searches. Default: ripgrep where the sandbox has it, else grep. */
  program?: SearchRequest["program"];
};

export function searchFilesTool({ program }: SearchFilesToolOptions = {}): Tool {
  return defineTool({
    name: "search_files",
    description:
      "Search the sandbox's text files by regular expression, or find files by name. Hidden and binary files are " +
      "passed by. Results come in the order of their paths, one page at a time.",
    toolset: "file",
    parallel: true,
    parameters,
    async run(args, context) {
      const sandbox = await context.sandbox();
      const isByName = args.target === "files";
      const request = {
        mode: isByName ? ("names" as const) : args.output_mode,
        pattern: args.pattern,
        root: sandboxPath(sandbox, args.path),
        glob: isByName ? args.pattern : (args.file_glob ?? ""),
        hidden: false,
        offset: args.offset,
        limit: args.limit,
        timeoutMs: context.limits.toolTimeoutMs,
        program,
      };
      const page = await searchPage(sandbox, request, context.signal);
      if ("problem" in page) return { total_count: 0, error: `The search failed: ${page.problem}.` };
      return {
        total_count: page.totalCount,
        ...(await results(page, request.mode, { args, sandbox, context })),
        ...more(page, args),
        ...(page.complaint !== "" && { note: `Not all could be searched: ${page.complaint}` }),
      };
    },
  });
}

async function results(
  { rows }: SearchPage,
  mode: SearchMode,
  { args, sandbox, context }: { args: Arguments; sandbox: Sandbox; context: RolloutContext },
): Promise<Record<string, unknown>> {
  const shortened = (path: string) => {
    const relative = posix.relative(sandbox.workspace, path);
    return relative.startsWith("../") || relative === ".." ? path : relative;
  };
  switch (mode) {
    case "names":
    case "files_only":
      return { files: rows.map(({ path }) => shortened(path)) };
    case "count":
      return { counts: Object.fromEntries(rows.map(({ path, count }) => [shortened(path), count])) };
    case "content": {
      const linesByPath =
        args.context === 0 || rows.length === 0
          ? null
          : await linesAround(sandbox, rows, args.context, {
              timeoutMs: context.limits.toolTimeoutMs,
              signal: context.signal,
            });
      return {
        matches: rows.map(({ path, line, text }) => ({
          path: shortened(path),
          line,
          content: text,
          ...(linesByPath !== null && surroundings(linesByPath.get(path), line, args.context)),
        })),
      };
    }
    default:
      return mode satisfies never;
  }
}

function surroundings(lines: ReadonlyMap<number, string> | undefined, line: number, around: number) {
  const between = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, (_, index) => lines?.get(from + index)).filter(
      (text) => text !== undefined,
    );
  return { before: between(Math.max(1, line - around), line), after: between(line + 1, line + around + 1) };
}

function more({ rows, totalRows }: SearchPage, { offset, limit, target, pattern }: Arguments) {
  if (totalRows > offset + limit) {
    const hint = `${totalRows - offset - limit} more: go on with offset ${offset + limit}, or narrow the search.`;
    return { truncated: true, hint };
  }
  if (rows.length === 0 && totalRows > 0) {
    return { truncated: false, hint: `There are only ${totalRows} results: use a smaller offset.` };
  }
  const isPlainName = target === "files" && totalRows === 0 && !/[*?[{]/.test(pattern);
  return { truncated: false, ...(isPlainName && { hint: `For parts of names write *${pattern}*.` }) };
}
