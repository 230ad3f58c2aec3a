/**
 * Whether a template's rendering of a whole conversation says what a segment holds. Exact for everything that the
 * model was given. The model's own answers may be spelled differently there (spaces, a call's JSON), since the
 * segment keeps the model's spelling; but what it thought and said has to be there.
 */
import type { AssistantMessage } from "../contracts/chat.ts";
import { reasoningOf } from "./same-message.ts";

export type GivenAnswer = {
  /** As sampled, without the token that ended it. */
  text: string;
  message: AssistantMessage;
  /** What the template wrote after it. */
  after: string;
};

export function saysSame(rendered: string, opening: string, answers: readonly GivenAnswer[]): boolean {
  if (!rendered.startsWith(opening)) return false;
  let at = opening.length;
  for (const [index, answer] of answers.entries()) {
    const isLast = index === answers.length - 1;
    const end = endOfAnswer(rendered, at, answer, isLast);
    if (end === null || !saysAnswer(rendered.slice(at, end), answer)) return false;
    at = end + answer.after.length;
  }
  return at === rendered.length;
}

function endOfAnswer(
  rendered: string,
  at: number,
  { text, after }: GivenAnswer,
  isLast: boolean,
): number | null {
  const expected = at + text.length;
  if (rendered.startsWith(text, at) && rendered.startsWith(after, expected)) return expected;
  const end = isLast ? rendered.length - after.length : rendered.indexOf(after, at);
  return end >= at && rendered.startsWith(after, end) ? end : null;
}

function saysAnswer(rendered: string, { text, message }: GivenAnswer): boolean {
  if (rendered === text) return true;
  const squeezed = squeeze(rendered);
  const sampled = squeeze(text);
  if (squeezed === sampled) return true;
  // Far more than was said: the place found is a later one, and an answer or a result between was left out.
  if (squeezed.length > 2 * sampled.length + 256) return false;
  const words = (message.content ?? "").replace(/^[\s\S]*<\/think>/, "");
  // As often as it was said: what was thought may stand in a call's arguments too.
  return [reasoningOf(message), words]
    .map(squeeze)
    .every((said) => said === "" || countOf(said, squeezed) >= Math.max(1, countOf(said, sampled)));
}

function countOf(part: string, text: string): number {
  return text.split(part).length - 1;
}

function squeeze(text: string): string {
  return text.replace(/\s+/gu, "");
}
