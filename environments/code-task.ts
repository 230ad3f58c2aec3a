/** What the rows of `code` say: the problem as a prompt, and a known solution. Rows are as public datasets have them. */
import { type CodeTest, readCodeTests } from "../rewards/code/code-tests.ts";
import type { RewardItem } from "../rewards/reward.ts";

export type ProgramPlace = { answer: "fence" | "file"; file: string };

/** The problem with what the program must be like. Throws REWARD_ITEM_INVALID where the row has no tests. */
export function codePrompt(
  row: RewardItem,
  problem: string,
  place: ProgramPlace & { shown: number },
): string {
  const tests = readCodeTests(row);
  const starter = row.starter_code;
  const parts = [
    isCode(problem)
      ? `Complete this Python code.\n\n\`\`\`python\n${problem.trimEnd()}\n\`\`\``
      : problem.trim(),
    ...(typeof starter === "string" && starter.trim() !== ""
      ? [`Begin with this:\n\n\`\`\`python\n${starter.trimEnd()}\n\`\`\``]
      : []),
    ...tests.slice(0, place.shown).flatMap(example),
    tests.some(({ kind }) => kind === "stdio")
      ? "Write a Python 3 program that reads the standard input and prints the answer, and nothing else."
      : "Write it in Python 3.",
    place.answer === "file"
      ? `Put the whole of it into the file ${place.file} of your working directory, try it out, and say when you are done.`
      : "End with the whole of it in one fenced block (```python).",
  ];
  return parts.join("\n\n");
}

const isCode = (problem: string): boolean => /^(from|import|def|class|@)\b/m.test(problem.slice(0, 2_000));

function example(test: CodeTest): string[] {
  switch (test.kind) {
    case "stdio":
      return [`For example, this input\n\n${indented(test.input)}\n\ngives\n\n${indented(test.output)}`];
    case "call":
      return [`For example, \`${test.name}(*${test.args})\` returns \`${JSON.stringify(test.expected)}\`.`];
    case "asserts":
      return test.entryPoint === null ? [`For example, this holds:\n\n${indented(test.test)}`] : [];
    default:
      return test satisfies never;
  }
}

const indented = (text: string): string => text.trimEnd().replaceAll(/^/gm, "    ");

/** A program that passes, where the row has one. */
export function codeSolution(row: RewardItem): string | null {
  const { solution, code, canonical_solution: completion, prompt, solutions } = row;
  if (typeof completion === "string") return `${String(prompt ?? "")}${completion}`;
  const [first] = listOf(solutions);
  const found = [solution, code, first].find((text) => typeof text === "string" && text.trim() !== "");
  return typeof found === "string" ? found : null;
}

/** APPS has its solutions as the JSON text of a list. */
function listOf(solutions: unknown): readonly unknown[] {
  if (Array.isArray(solutions)) return solutions;
  if (typeof solutions !== "string") return [];
  try {
    const parsed: unknown = JSON.parse(solutions);
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}
