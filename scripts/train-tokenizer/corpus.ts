/**
 * What the practice tokenizer learns from: the bundled problems, the tool calls that solve them, the schemas
 * of the built-in tools, Python code and English prose (the documentation).
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { builtinTools } from "../../src/tools/builtin-tools.ts";

const problem = z.object({ question: z.string(), answer: z.string() });

/** The texts, in an order of no importance. */
export function readCorpus(root: string): string[] {
  const find = (pattern: string) => globSync(pattern, { cwd: root }).toSorted();
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  const problems = find("environments/**/*.jsonl").flatMap((path) =>
    read(path)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => problem.parse(JSON.parse(line))),
  );
  return [
    ...problems.flatMap(({ question, answer }) => [question, answer, ...toolCalls(answer)]),
    ...builtinTools().map((tool) => JSON.stringify(tool.schema, null, 1).replaceAll(/\n */g, " ")),
    read("src/tools/python-driver.ts"),
    ...[...find("docs/*.md"), "README.md"].map(read),
  ];
}

/** The calls and results of a worked solution: `<<4*3=12>>` becomes a call of `python` and its answer. */
function toolCalls(answer: string): string[] {
  return [...answer.matchAll(/<<([^<>=]*)=([^<>]*)>>/g)].flatMap(([, expression, result]) => [
    `{"name": "python", "arguments": {"code": "${expression}"}}`,
    `{"name": "python", "arguments": {"code": "result = ${expression}\\nprint(result)"}}`,
    `{"ok": true, "value": "${result}", "output": ""}`,
    `\\boxed{${result}}`,
  ]);
}
