/**
 * The practice server's teacher for math-agent: runs the row's own program, where it has one and a session is offered,
 * and then answers in a box. A rollout that errs gives the answer of another problem.
 */
import { z } from "zod";
import { verifyMath } from "../rewards/index.ts";
import type { ChatMessage } from "../src/contracts/chat.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import { openDataset } from "../src/data/dataset.ts";
import { QuestionIndex } from "../src/practice/question-index.ts";
import { seededRandom } from "../src/practice/seeded-random.ts";
import type { Lesson, Teacher, TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";

const row = z.object({
  problem: z.string().min(1),
  answer: z.union([z.string(), z.number()]).transform(String),
  /** A program that prints what leads to the answer. */
  python: z.string().optional(),
});

export type MathsProblem = z.output<typeof row>;

/** Rejects with DATASET_* codes, or where a file has no row with a problem and an answer. */
export async function readMathsProblems(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<{ problems: MathsProblem[]; skippedRows: number }> {
  const problems: MathsProblem[] = [];
  let skippedRows = 0;
  for (const path of paths) {
    const options = { signal, cacheDirectory: "", hubToken: undefined };
    const dataset = await openDataset({ kind: "file", path }, options);
    const before = problems.length;
    for (let index = 0; index < dataset.length; index += 1) {
      const raw = dataset.read(index);
      const parsed = row.safeParse(raw.ok ? raw.value : undefined);
      if (parsed.success) problems.push(parsed.data);
      else skippedRows += 1;
    }
    if (problems.length === before) {
      throw new LachesisError("DATASET_INVALID", `Dataset ${path}: no row has a "problem" and an "answer".`);
    }
  }
  return { problems, skippedRows };
}

export class MathAgentTeacher implements Teacher {
  readonly #problems: readonly MathsProblem[];
  readonly #index: QuestionIndex;

  constructor(problems: readonly MathsProblem[]) {
    this.#problems = problems;
    this.#index = new QuestionIndex(problems.map(({ problem }) => problem));
  }

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    for (const message of messages.toReversed()) {
      if (message.role !== "user") continue;
      const index = this.#index.find(message.content);
      const problem = index === null ? undefined : this.#problems[index];
      if (index !== null && problem) {
        return { index, nextTurn: (request) => this.#nextTurn(problem, request) };
      }
    }
    return null;
  }

  #nextTurn({ answer, python }: MathsProblem, { messages, tools, seed, errs }: TurnRequest): TeacherTurn {
    const sinceProblem = messages.slice(messages.findLastIndex(({ role }) => role === "user") + 1);
    const hasSession = tools.some((tool) => tool.function.name === "python");
    if (sinceProblem.length === 0 && hasSession && python !== undefined) {
      return {
        content: "Let me compute this.",
        calls: [{ name: "python", arguments: { code: python } }],
      };
    }
    const given = errs ? this.#otherAnswer(answer, seed) : answer;
    return { content: `The answer is $\\boxed{${given}}$.`, calls: [] };
  }

  #otherAnswer(answer: string, seed: number): string {
    const first = Math.floor(seededRandom(seed)() * this.#problems.length);
    const inTurn = [...this.#problems.slice(first), ...this.#problems.slice(0, first)];
    const other = inTurn.find((problem) => !verifyMath(answer, `\\boxed{${problem.answer}}`).equal);
    return other?.answer ?? "\\text{I don't know}";
  }
}
