/** The practice server's teacher for ifeval: gives the row's own answer. One that errs repeats the prompt instead. */
import { z } from "zod";
import type { TeacherTurn, TurnRequest } from "../../src/practice/teacher.ts";
import { RowTeacher, readTeacherRows, type TeacherRows } from "../row-teacher.ts";

const row = z.object({ prompt: z.string().min(1), response: z.string().min(1) });

export type AnsweredPrompt = z.output<typeof row>;

/** Rows without a prompt or an answer are left out and counted; rejects as `readTeacherRows` does. */
export function readAnsweredPrompts(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<TeacherRows<AnsweredPrompt>> {
  const read = (raw: unknown) => row.safeParse(raw).data ?? null;
  return readTeacherRows(paths, read, { expected: 'a "prompt" and a "response"', signal });
}

export class IfevalTeacher extends RowTeacher<AnsweredPrompt> {
  constructor(rows: readonly AnsweredPrompt[]) {
    super(rows, ({ prompt }) => prompt);
  }

  protected override nextTurn({ prompt, response }: AnsweredPrompt, { errs }: TurnRequest): TeacherTurn {
    return { content: errs ? prompt : response, calls: [] };
  }
}
