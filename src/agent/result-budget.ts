/**
 * Keeps tool output within what a conversation can bear, in two steps: each result against its tool's limit,
 * then the results of one turn together, the largest giving way first. What gives way is written whole to a
 * file in the sandbox, and the model reads a preview that names the file; where the rollout has no
 * `read_file` tool to page through it, or the file can't be written, the preview says what was cut.
 *
 * `read_file` itself is never spilled (it caps its own results): reading a spilled file would spill again.
 */
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import { headOf } from "../tools/cap-text.ts";

/** Sizes in characters. */
export type ResultBudget = {
  /** Limit of one result whose tool sets none. */
  resultChars: number;
  /** Limit of all results of one turn together. */
  turnChars: number;
  /** Kept of a result that gave way. */
  previewChars: number;
  /** Limits per tool name; they win over the tools' own. */
  overrides: Readonly<Record<string, number>>;
};

export const defaultResultBudget: ResultBudget = {
  resultChars: 100_000,
  turnChars: 200_000,
  previewChars: 1_500,
  overrides: {},
};

const pager = "read_file";

/** One result on its way into the conversation. `name` is a file name without extension, unique in the rollout. */
export type BudgetedResult = { name: string; tool: string; content: string };

/** The contents that enter the conversation, in the order of `results`. Rejects only when aborted. */
export async function fitResults(
  results: readonly BudgetedResult[],
  options: { budget: ResultBudget; tools: ReadonlyMap<string, Tool>; context: RolloutContext },
): Promise<string[]> {
  const { budget, tools } = options;
  const contents = results.map(({ content }) => content);
  const spilled = new Set<number>();
  const spill = async (index: number, result: BudgetedResult) => {
    spilled.add(index);
    contents[index] = await replaceByPreview(result, options);
  };

  for (const [index, result] of results.entries()) {
    if (result.content.length > limitOf(result.tool, budget, tools)) await spill(index, result);
  }

  const largestFirst = [...results.entries()]
    .filter(([index, { tool, content }]) => {
      return !spilled.has(index) && tool !== pager && content.length > budget.previewChars;
    })
    .sort(([, a], [, b]) => b.content.length - a.content.length);
  const totalChars = () => contents.reduce((sum, { length }) => sum + length, 0);
  for (const [index, result] of largestFirst) {
    if (totalChars() <= budget.turnChars) break;
    await spill(index, result);
  }
  return contents;
}

function limitOf(tool: string, budget: ResultBudget, tools: ReadonlyMap<string, Tool>): number {
  if (tool === pager) return Number.POSITIVE_INFINITY;
  const override = Object.hasOwn(budget.overrides, tool) ? budget.overrides[tool] : undefined;
  return override ?? tools.get(tool)?.maxResultChars ?? budget.resultChars;
}

async function replaceByPreview(
  { name, content }: BudgetedResult,
  {
    budget,
    tools,
    context,
  }: { budget: ResultBudget; tools: ReadonlyMap<string, Tool>; context: RolloutContext },
): Promise<string> {
  const preview = previewOf(content, budget.previewChars);
  const path = tools.has(pager) ? await writeWhole(name, content, context) : null;
  const where =
    path === null
      ? `The rest was cut. Ask for less at a time.`
      : `The whole result is in ${path}: page through it with ${pager} (offset and limit).`;
  return [
    "<truncated_result>",
    `This result has ${content.length} characters, too many to show. ${where}`,
    `Its first ${preview.length} characters:`,
    preview,
    "</truncated_result>",
  ].join("\n");
}

/** Cut at the last line break, as long as that leaves more than half. */
function previewOf(content: string, previewChars: number): string {
  const head = headOf(content, previewChars);
  const lineEnd = head.lastIndexOf("\n");
  return lineEnd > head.length / 2 ? head.slice(0, lineEnd) : head;
}

async function writeWhole(name: string, content: string, context: RolloutContext): Promise<string | null> {
  try {
    const sandbox = await context.sandbox();
    const path = `${sandbox.workspace}/.lachesis/results/${name}.txt`;
    await sandbox.writeFile(path, Buffer.from(content), { signal: context.signal });
    return path;
  } catch (error) {
    context.signal.throwIfAborted();
    context.logger.warn({ err: error, rolloutId: context.rolloutId }, "tool-result-not-spilled");
    return null;
  }
}
