/** The `patch` tool: changes files of the sandbox by quoting them, all or nothing. */
import { z } from "zod";
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import { headOf } from "./cap-text.ts";
import { defineTool, type ToolOutput } from "./define-tool.ts";
import { applyPatch } from "./patch/apply-patch.ts";
import { findReplacements, likestLine } from "./patch/fuzzy-replace.ts";
import { readText, writeAll } from "./patch/sandbox-files.ts";
import { TextLines } from "./patch/text-lines.ts";
import { applyEdits, unifiedDiff } from "./patch/unified-diff.ts";
import { parsePatch } from "./patch/v4a-patch.ts";
import { pathParameter } from "./path-parameter.ts";
import { sandboxPath } from "./sandbox-path.ts";

const longestText = 1_000_000;
const longestQuote = 200;

const parameters = z.strictObject({
  mode: z
    .enum(["replace", "patch"])
    .default("replace")
    .describe("replace: old_string by new_string in one file. patch: several changes and files at once."),
  path: pathParameter("replace: the file.").optional(),
  old_string: z
    .string()
    .max(longestText)
    .optional()
    .describe("replace: text of the file, with enough lines around it to be found once."),
  new_string: z.string().max(longestText).optional().describe("replace: what takes its place; may be empty."),
  replace_all: z.boolean().default(false).describe("replace: change every place where old_string stands."),
  patch: z
    .string()
    .max(longestText)
    .optional()
    .describe(
      "patch: a V4A patch. *** Begin Patch / *** Update File: PATH / @@ line to find / ' ' kept, '-' removed, '+' added lines / " +
        "*** Add File: PATH / *** Delete File: PATH / *** Move File: PATH -> NEW / *** End Patch.",
    ),
});

type Arguments = z.output<typeof parameters>;

export function patchTool(): Tool {
  return defineTool({
    name: "patch",
    description:
      "Change text files of the sandbox. old_string is found even where its white space, indentation or escapes " +
      "are not quite the file's. Answers with the diff; where anything is wrong, nothing is changed.",
    toolset: "file",
    parameters,
    run: (args, context) => (args.mode === "patch" ? patch(args, context) : replace(args, context)),
  });
}

function failed(error: string, hint?: string): ToolOutput {
  return { success: false, error, ...(hint !== undefined && { hint }) };
}

async function replace(
  { path, old_string: oldText, new_string: newText, replace_all: replacesAll }: Arguments,
  context: RolloutContext,
): Promise<ToolOutput> {
  if (path === undefined || oldText === undefined || newText === undefined) {
    return failed("mode replace needs path, old_string and new_string.");
  }
  if (oldText === "") return failed("old_string is empty: quote what is to be replaced, or use write_file.");
  if (oldText === newText) return failed("old_string and new_string are equal: there is nothing to change.");
  const file = sandboxPath(await context.sandbox(), path);
  const read = await readText(file, path, context);
  if (!read.ok) return failed(read.error);
  if (read.text === null) return failed(`There is no file ${path}.`, "Use write_file for a new one.");

  const text = read.text;
  const withLineEnds = lineEnds(text, oldText);
  const found = findReplacements(text, withLineEnds(oldText), withLineEnds(newText));
  if (found === null) return notFound(text, path, oldText);
  const { edits, strategy } = found;
  if (edits.length > 1 && !replacesAll) {
    const lines = new TextLines(text);
    const places = edits.slice(0, 5).map(({ start }) => lines.lineAt(start) + 1);
    return failed(
      `old_string stands at ${edits.length} places of ${path} (lines ${places.join(", ")}).`,
      "Quote more lines around the one that is meant, or set replace_all.",
    );
  }
  const complaint = await writeAll([{ path: file, text: applyEdits(text, edits) }], context);
  if (complaint !== null) return failed(`${path} could not be written: ${complaint}`);
  return {
    success: true,
    diff: unifiedDiff(text, edits, { before: path, after: path }),
    files_modified: [path],
    ...(edits.length > 1 && { replacements: edits.length }),
    ...(strategy !== "exact" && { matched_by: strategy }),
  };
}

/** A file with \r\n is quoted without the \r. */
function lineEnds(text: string, oldText: string): (quoted: string) => string {
  const converts = !oldText.includes("\r") && new TextLines(text).lineEnd === "\r\n";
  return (quoted) => (converts ? quoted.replace(/\r?\n/g, "\r\n") : quoted);
}

function notFound(text: string, path: string, oldText: string): ToolOutput {
  const near = likestLine(text, oldText);
  return failed(
    `old_string does not stand in ${path}.`,
    near === null
      ? "Read the file and copy the lines as they are."
      : `The likest line is ${near.number}: ${JSON.stringify(headOf(near.line, longestQuote))}. Read the file there and copy the lines as they are.`,
  );
}

async function patch({ patch: source }: Arguments, context: RolloutContext): Promise<ToolOutput> {
  if (source === undefined) return failed("mode patch needs patch.");
  const parsed = parsePatch(source);
  if (!parsed.ok) return failed(parsed.error);
  const { workspace } = await context.sandbox();
  const applied = await applyPatch(parsed.operations, {
    absolute: (path) => sandboxPath({ workspace }, path),
    read: (path, shownPath) => readText(path, shownPath, context),
  });
  if (!applied.ok) return failed(`${applied.error} Nothing was changed.`);
  const complaint = await writeAll(applied.changes, context);
  if (complaint !== null) return failed(`Nothing was changed, for not all could be written: ${complaint}`);
  const { diff, modified, created, deleted } = applied;
  return {
    success: true,
    diff,
    ...(modified.length > 0 && { files_modified: modified }),
    ...(created.length > 0 && { files_created: created }),
    ...(deleted.length > 0 && { files_deleted: deleted }),
  };
}
