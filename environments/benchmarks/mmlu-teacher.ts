/** The practice server's teacher for questions with lettered choices. One that errs names the letter after the right one. */
import { readFileSync } from "node:fs";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import { QuestionIndex } from "../../src/practice/question-index.ts";
import type { Lesson, Teacher } from "../../src/practice/teacher.ts";
import { ownRowsFile } from "./benchmark-env.ts";
import { type ChoiceQuestion, choiceQuestion } from "./mmlu.ts";

/** The questions that ship. */
export function readOwnQuestions(): ChoiceQuestion[] {
  return readFileSync(ownRowsFile("mmlu"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => choiceQuestion.parse(JSON.parse(line)));
}

export class MmluTeacher implements Teacher {
  readonly #questions: readonly ChoiceQuestion[];
  readonly #index: QuestionIndex;

  constructor(questions: readonly ChoiceQuestion[]) {
    this.#questions = questions;
    this.#index = new QuestionIndex(questions.map(({ question }) => question));
  }

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    for (const message of messages.toReversed()) {
      if (message.role !== "user") continue;
      const index = this.#index.find(message.content);
      const known = index === null ? undefined : this.#questions[index];
      if (index === null || known === undefined) continue;
      return {
        index,
        nextTurn: ({ errs }) => ({
          content: `Answer: ${errs ? letterAfter(known) : known.answer}`,
          calls: [],
        }),
      };
    }
    return null;
  }
}

const letterAfter = ({ answer, choices }: ChoiceQuestion): string =>
  String.fromCharCode(65 + ((answer.charCodeAt(0) - 64) % choices.length));
