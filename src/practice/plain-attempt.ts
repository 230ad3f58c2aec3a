/** What the practice server says of a task that its teacher does not know: so, and a guess. */
import type { ChatMessage } from "../contracts/chat.ts";
import type { TeacherTurn } from "./teacher.ts";

/** The guess is the last number of the last user message, or 0. */
export function plainAttempt(messages: readonly ChatMessage[]): TeacherTurn {
  const question = messages.findLast(({ role }) => role === "user")?.content ?? "";
  const guess =
    question
      .match(/-?\d[\d,]*(?:\.\d+)?/g)
      ?.at(-1)
      ?.replace(/,+$/, "") ?? "0";
  return {
    content: `I don't know this problem, so this is no more than a guess: \\boxed{${guess}}`,
    calls: [],
  };
}
