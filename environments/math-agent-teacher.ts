/**
 * The practice server's teacher for math-agent: runs the row's own program, where it has one and a session is offered,
 * and then answers in a box. A rollout that errs gives the answer of another problem.
 */
import { z } from "zod";
import { verifyMath } from "../rewards/index.ts";
import { seededRandom } from "../src/practice/seeded-random.ts";
import type { TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { RowTeacher, readTeacherRows, sinceQuestion, type TeacherRows } from "./row-teacher.ts";

const row = z.object({
  problem: z.string().min(1),
  answer: z.union([z.string(), z.number()]).transform(String),
  /** A program that prints what leads to the answer. */
  python: z.string().optional(),
});

export type MathsProblem = z.output<typeof row>;

/** Rows without a problem or an answer are left out and counted; rejects as `readTeacherRows` does. */
export function readMathsProblems(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<TeacherRows<MathsProblem>> {
  const read = (raw: unknown) => row.safeParse(raw).data ?? null;
  return readTeacherRows(paths, read, { expected: 'a "problem" and an "answer"', signal });
}

export class MathAgentTeacher extends RowTeacher<MathsProblem> {
  constructor(problems: readonly MathsProblem[]) {
    super(problems, ({ problem }) => problem);
  }

  protected override nextTurn({ answer, python }: MathsProblem, request: TurnRequest): TeacherTurn {
    const hasSession = request.tools.some((tool) => tool.function.name === "python");
    if (sinceQuestion(request).length === 0 && hasSession && python !== undefined) {
      return {
        content: "Let me compute this.",
        calls: [{ name: "python", arguments: { code: python } }],
      };
    }
    const given = request.errs ? this.#otherAnswer(answer, request.seed) : answer;
    return { content: `The answer is $\\boxed{${given}}$.`, calls: [] };
  }

  #otherAnswer(answer: string, seed: number): string {
    const first = Math.floor(seededRandom(seed)() * this.rows.length);
    const inTurn = [...this.rows.slice(first), ...this.rows.slice(0, first)];
    const other = inTurn.find((problem) => !verifyMath(answer, `\\boxed{${problem.answer}}`).equal);
    return other?.answer ?? "\\text{I don't know}";
  }
}
