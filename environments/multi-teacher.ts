/** The practice server's teacher for multi: whichever of several teachers knows the task. */
import type { ChatMessage } from "../src/contracts/chat.ts";
import type { Lesson, Teacher } from "../src/practice/teacher.ts";

export class MultiTeacher implements Teacher {
  readonly #teachers: readonly Teacher[];

  constructor(teachers: readonly Teacher[]) {
    this.#teachers = teachers;
  }

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    for (const [place, teacher] of this.#teachers.entries()) {
      const lesson = teacher.recognise(messages);
      if (lesson === null) continue;
      const index = lesson.index * this.#teachers.length + place;
      return { index, nextTurn: (request) => lesson.nextTurn(request) };
    }
    return null;
  }
}
