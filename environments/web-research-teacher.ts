/**
 * The practice server's teacher for web-research: searches, reads the pages that the answer rests on, and answers with
 * them. A rollout that errs gives the answer of another question.
 */
import type { TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { RowTeacher, readTeacherRows, sinceQuestion, type TeacherRows } from "./row-teacher.ts";
import { type ResearchRow, researchRow, researchTurn } from "./web-research/research-play.ts";

/** Rows without a question or an answer are left out and counted; rejects as `readTeacherRows` does. */
export function readResearchRows(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<TeacherRows<ResearchRow>> {
  const read = (raw: unknown) => researchRow.safeParse(raw).data ?? null;
  return readTeacherRows(paths, read, { expected: 'a "question" and an "answer"', signal });
}

export class WebResearchTeacher extends RowTeacher<ResearchRow> {
  constructor(rows: readonly ResearchRow[]) {
    super(rows, ({ question }) => question);
  }

  protected override nextTurn(row: ResearchRow, request: TurnRequest): TeacherTurn {
    const since = sinceQuestion(request);
    const hasWeb = request.tools.some((tool) => tool.function.name === "web_search");
    const turn = hasWeb ? since.filter(({ role }) => role === "assistant").length : 2;
    const answer = request.errs ? this.#other(row, request.seed) : row.answer;
    const { content = null, calls = [] } = researchTurn(row, answer, { turn, messages: since });
    return { content, calls };
  }

  #other({ answer }: ResearchRow, seed: number): string {
    const others = this.rows.filter((row) => row.answer !== answer);
    return others[Math.abs(seed) % Math.max(1, others.length)]?.answer ?? "I don't know";
  }
}
