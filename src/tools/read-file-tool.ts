/**
 * The `read_file` tool: one page of a text file, with line numbers. One process inside the sandbox cuts the
 * page out, so that a file of any size costs no more than its page.
 */
import { posix } from "node:path";
import { z } from "zod";
import { closestNames } from "../contracts/closest-names.ts";
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { ExecResult } from "../contracts/sandbox.ts";
import type { Tool } from "../contracts/tool.ts";
import { headOf } from "./cap-text.ts";
import { defineTool, type ToolOutput } from "./define-tool.ts";
import { pathParameter } from "./path-parameter.ts";
import { sandboxPath } from "./sandbox-path.ts";

const longestLineChars = 2_000;
/** Characters of a page. Results of this tool are never spilled into a file, so it keeps its own limit. */
const pageChars = 50_000;
const similarFiles = 5;
const imageName = /\.(avif|bmp|gif|ico|jpe?g|png|tiff?|webp)$/i;

const exitCode = { notFound: 66, directory: 67, notRegular: 68, unreadable: 69 } as const;

/** Prints the size, the number of line ends, whether text follows the last of them, then the page. */
const script = `
f=$1
if [ -d "$f" ]; then exit ${exitCode.directory}; fi
if [ ! -e "$f" ]; then ls -1A -- "$4" 2>/dev/null | head -n 1000; exit ${exitCode.notFound}; fi
[ -f "$f" ] || exit ${exitCode.notRegular}
[ -r "$f" ] || exit ${exitCode.unreadable}
wc -c < "$f"
wc -l < "$f"
tail -c 1 -- "$f" | od -An -tx1
tail -n +"$2" -- "$f" | head -n "$3" | cut -b 1-${longestLineChars * 4 + 4}
`;

export function readFileTool(): Tool {
  return defineTool({
    name: "read_file",
    description:
      "Read a text file of the sandbox, one page at a time. Each line comes as its number, a bar and its text.",
    toolset: "file",
    parallel: true,
    parameters: z.strictObject({
      path: pathParameter("The file."),
      offset: z.int().min(1).default(1).describe("First line to read, counted from 1."),
      limit: z.int().min(1).max(2000).default(500).describe("Most lines to read."),
    }),
    async run({ path, offset, limit }, context) {
      const sandbox = await context.sandbox();
      const file = sandboxPath(sandbox, path);
      const result = await sandbox.exec(
        {
          argv: ["sh", "-c", script, "sh", file, String(offset), String(limit), posix.dirname(file)],
          cwd: "/",
        },
        {
          timeoutMs: context.limits.toolTimeoutMs,
          signal: context.signal,
          outputLimitBytes: limit * (longestLineChars * 4 + 8) + 100_000,
        },
      );
      if (result.exitCode !== 0) return failure(path, result, context);
      return page(path, Buffer.from(result.stdout), offset);
    },
  });
}

function page(path: string, stdout: Buffer, offset: number): ToolOutput {
  const header = /^\s*(\d+)\n\s*(\d+)\n *([0-9a-f]*)\n?/.exec(stdout.toString("latin1", 0, 200));
  const fileSize = Number(header?.[1]);
  const hasOpenLine = header?.[3] !== "" && header?.[3] !== "0a";
  const totalLines = Number(header?.[2]) + (hasOpenLine ? 1 : 0);
  const body = stdout.subarray(header?.[0].length ?? 0);
  if (body.includes(0)) {
    const isImage = imageName.test(path);
    return {
      error: `${path} is ${isImage ? "an image" : "a binary file"}. Look at it with a program of the terminal.`,
      is_binary: true,
      is_image: isImage,
      file_size: fileSize,
    };
  }
  const lines = body.toString("utf8").replace(/\n$/, "").split("\n");
  const numbered = body.length === 0 ? [] : lines.map((line, index) => numberLine(line, offset + index));
  const shown = withinPage(numbered);
  const nextLine = offset + shown.length;
  const truncated = nextLine <= totalLines;
  return {
    content: shown.join("\n"),
    total_lines: totalLines,
    file_size: fileSize,
    truncated,
    ...(truncated && { hint: `Go on with offset ${nextLine}: the file has ${totalLines} lines.` }),
    ...(offset > Math.max(totalLines, 1) && { error: `The file has only ${totalLines} lines.` }),
  };
}

function numberLine(line: string, number: number): string {
  const text = line.length > longestLineChars ? `${headOf(line, longestLineChars)}... [line cut]` : line;
  return `${String(number).padStart(6)}|${text}`;
}

/** As many lines as fit a page, one at least. */
function withinPage(lines: readonly string[]): string[] {
  let length = 0;
  const end = lines.findIndex((line, index) => {
    length += line.length + 1;
    return index > 0 && length > pageChars;
  });
  return lines.slice(0, end === -1 ? lines.length : end);
}

function failure(path: string, result: ExecResult, context: RolloutContext): ToolOutput {
  switch (result.exitCode) {
    case exitCode.notFound: {
      const names = Buffer.from(result.stdout).toString("utf8").split("\n").filter(Boolean);
      const directory = posix.dirname(path);
      const similar = closestNames(posix.basename(path), names, similarFiles);
      return {
        error: `There is no file ${path}.`,
        ...(similar.length > 0 && { similar_files: similar.map((name) => posix.join(directory, name)) }),
      };
    }
    case exitCode.directory:
      return { error: `${path} is a directory.` };
    case exitCode.notRegular:
      return { error: `${path} is not a regular file.` };
    case exitCode.unreadable:
      return { error: `${path} may not be read.` };
    default: {
      if (result.timedOut)
        return { error: `${path} could not be read in ${context.limits.toolTimeoutMs} ms.` };
      return { error: `${path} could not be read: ${Buffer.from(result.stderr).toString("utf8").trim()}` };
    }
  }
}
