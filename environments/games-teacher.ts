/**
 * The practice server's teacher for games: plays blackjack by the odds, and guesses words that fit what it was told. It
 * sees what a model sees. A rollout that errs decides against the odds, or guesses words that can't be.
 */
import type { ChatMessage } from "../src/contracts/chat.ts";
import { seededRandom } from "../src/practice/seeded-random.ts";
import type { Lesson, Teacher, TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { blackjackAdvice } from "./games/blackjack.ts";
import { BlackjackOdds } from "./games/blackjack-odds.ts";
import { fittingWords } from "./games/word-guessing.ts";

const opening = /^Game (\d+)\. (Let's play blackjack|I have a secret English word)/;

export class GamesTeacher implements Teacher {
  readonly #odds = new BlackjackOdds();

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    const asked = messages.find(({ role }) => role === "user")?.content ?? "";
    const [, number, game] = opening.exec(asked) ?? [];
    if (number === undefined) return null;
    const play = game === "Let's play blackjack" ? this.#blackjack.bind(this) : guessWord;
    return { index: Number(number) - 1, nextTurn: play };
  }

  #blackjack({ messages, seed, errs }: TurnRequest): TeacherTurn {
    const advice = blackjackAdvice(messages.at(-1)?.content ?? "", this.#odds);
    if (advice === null) return says("That game is over.");
    if (advice === "bet") return says(`I bet ${1 + (seed % 3)}. <move>bet ${1 + (seed % 3)}</move>`);
    const other = advice === "hit" ? "stand" : "hit";
    const move = errs ? other : advice;
    return says(`By the odds I ${move}. <move>${move}</move>`);
  }
}

function guessWord({ messages, seed, errs }: TurnRequest): TeacherTurn {
  const told = messages.flatMap(({ role, content }) => (role === "user" ? [content ?? ""] : []));
  const turn = messages.filter(({ role }) => role === "assistant").length;
  // Five letters that are no word of the list.
  if (errs) return says(`Perhaps this? <move>${["zzzzz", "qqqqq", "xxxxx"][turn % 3]}</move>`);
  const left = fittingWords(told);
  const random = seededRandom((seed + turn) >>> 0);
  const guess = left[Math.floor(random() * left.length)] ?? "stare";
  return says(`${left.length} words are left. <move>${guess}</move>`);
}

const says = (content: string): TeacherTurn => ({ content, calls: [] });
