/**
 * The practice server's teacher for web-research: searches, reads the pages that the answer rests on, and answers with
 * them. A rollout that errs gives the answer of another question.
 */

import type { ChatMessage } from "../src/contracts/chat.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import { openDataset } from "../src/data/dataset.ts";
import { QuestionIndex } from "../src/practice/question-index.ts";
import type { Lesson, Teacher, TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { type ResearchRow, researchRow, researchTurn } from "./web-research/research-play.ts";

/** Rejects with DATASET_* codes, or where a file has no row with a question and an answer. */
export async function readResearchRows(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<{ rows: ResearchRow[]; skippedRows: number }> {
  const rows: ResearchRow[] = [];
  let skippedRows = 0;
  for (const path of paths) {
    const dataset = await openDataset(
      { kind: "file", path },
      { signal, cacheDirectory: "", hubToken: undefined },
    );
    const before = rows.length;
    for (let index = 0; index < dataset.length; index += 1) {
      const raw = dataset.read(index);
      const parsed = researchRow.safeParse(raw.ok ? raw.value : undefined);
      if (parsed.success) rows.push(parsed.data);
      else skippedRows += 1;
    }
    if (rows.length === before) {
      throw new LachesisError("DATASET_INVALID", `Dataset ${path}: no row has a "question" and an "answer".`);
    }
  }
  return { rows, skippedRows };
}

export class WebResearchTeacher implements Teacher {
  readonly #rows: readonly ResearchRow[];
  readonly #index: QuestionIndex;

  constructor(rows: readonly ResearchRow[]) {
    this.#rows = rows;
    this.#index = new QuestionIndex(rows.map(({ question }) => question));
  }

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    for (const message of messages.toReversed()) {
      if (message.role !== "user") continue;
      const index = this.#index.find(message.content);
      const row = index === null ? undefined : this.#rows[index];
      if (index !== null && row) return { index, nextTurn: (request) => this.#nextTurn(row, request) };
    }
    return null;
  }

  #nextTurn(row: ResearchRow, { messages, tools, seed, errs }: TurnRequest): TeacherTurn {
    const since = messages.slice(messages.findLastIndex(({ role }) => role === "user") + 1);
    const hasWeb = tools.some((tool) => tool.function.name === "web_search");
    const turn = hasWeb ? since.filter(({ role }) => role === "assistant").length : 2;
    const { content = null, calls = [] } = researchTurn(row, errs ? this.#other(row, seed) : row.answer, {
      turn,
      messages: since,
    });
    return { content, calls };
  }

  #other({ answer }: ResearchRow, seed: number): string {
    const others = this.#rows.filter((row) => row.answer !== answer);
    return others[Math.abs(seed) % Math.max(1, others.length)]?.answer ?? "I don't know";
  }
}
