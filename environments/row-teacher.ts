/** What teachers share that know the rows of files: reading them, and finding the row that a conversation is about. */
import type { ChatMessage } from "../src/contracts/chat.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import { openDataset } from "../src/data/dataset.ts";
import { QuestionIndex } from "../src/practice/question-index.ts";
import type { Lesson, Teacher, TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";

export type TeacherRows<Row> = { rows: Row[]; skippedRows: number };

/**
 * Reads rows from JSONL or parquet files; those of which `read` makes null are left out and counted. Rejects with
 * DATASET_* codes, or where a file has no usable row: `expected` says what one has.
 */
export async function readTeacherRows<Row>(
  paths: readonly string[],
  read: (raw: unknown) => Row | null,
  { expected, signal }: { expected: string; signal: AbortSignal },
): Promise<TeacherRows<Row>> {
  const rows: Row[] = [];
  let skippedRows = 0;
  for (const path of paths) {
    // Nothing is downloaded: the cache serves datasets of the hub alone.
    const options = { signal, cacheDirectory: "", hubToken: undefined };
    const dataset = await openDataset({ kind: "file", path }, options);
    const before = rows.length;
    for (let index = 0; index < dataset.length; index += 1) {
      const raw = dataset.read(index);
      const row = raw.ok ? read(raw.value) : null;
      if (row === null) skippedRows += 1;
      else rows.push(row);
    }
    if (rows.length === before) {
      throw new LachesisError("DATASET_INVALID", `Dataset ${path}: no row has ${expected}.`);
    }
  }
  return { rows, skippedRows };
}

export abstract class RowTeacher<Row> implements Teacher {
  protected readonly rows: readonly Row[];
  readonly #index: QuestionIndex;

  /** `questionOf`: the text by which a row is known in a prompt. */
  constructor(rows: readonly Row[], questionOf: (row: Row) => string) {
    this.rows = rows;
    this.#index = new QuestionIndex(rows.map(questionOf));
  }

  /** The turn that a model which knows the row would take; `prompt` is the message that holds its question. */
  protected abstract nextTurn(row: Row, request: TurnRequest, prompt: string): TeacherTurn;

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    for (const { role, content } of messages.toReversed()) {
      if (role !== "user") continue;
      const index = this.#index.find(content);
      const row = index === null ? undefined : this.rows[index];
      if (index === null || row === undefined) continue;
      return { index, nextTurn: (request) => this.nextTurn(row, request, content) };
    }
    return null;
  }
}

/** What was said since the question. */
export function sinceQuestion({ messages }: Pick<TurnRequest, "messages">): readonly ChatMessage[] {
  return messages.slice(messages.findLastIndex(({ role }) => role === "user") + 1);
}
