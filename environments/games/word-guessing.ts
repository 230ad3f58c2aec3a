/**
 * A secret word of five letters, six guesses, and after each what it has in common with the secret. Guesses share a
 * part of 1 by how much they tell about the secret (bits, among the words of the list), and solving gets the rest: who
 * solves it has 1.
 */
import { type Deal, type Game, type Playthrough, readMove } from "./game.ts";
import { words } from "./word-list.ts";

const guesses = 6;
/** The rest of 1 is for solving. */
const worthOfInformation = 0.4;
/** Every so manieth word is held out. */
const heldOutEvery = 5;

export class WordGuessing implements Game {
  opening(): string {
    return `I have a secret English word of five letters in mind; guess it. You have ${guesses} guesses, each written as <move>crane</move>: exactly one in each turn, and an illegal one is lost. After each I answer with a mark for every letter: + it stands there, ? it stands elsewhere, - it isn't in the word (or not once more).

Guess 1 of ${guesses}?`;
  }

  play(deal: Deal, texts: readonly string[]): Playthrough {
    const secret = secretOf(deal);
    let left: readonly string[] = words;
    let solved = false;
    let illegal = 0;
    const turns = texts.map((text, index) => {
      const next = index + 1 < guesses ? `\nGuess ${index + 2} of ${guesses}?` : null;
      const read = readMove(text);
      const problem = "move" in read ? problemOf(read.move) : read.problem;
      if (!("move" in read) || problem !== null) {
        illegal += 1;
        return { reply: next && `Illegal guess. ${problem}${next}`, reward: 0 };
      }
      const marks = marksOf(read.move, secret);
      const before = left.length;
      left = left.filter((word) => marksOf(read.move, word) === marks);
      const told = (worthOfInformation * Math.log2(before / left.length)) / Math.log2(words.length);
      const isRight = read.move === secret;
      solved ||= isRight;
      const reward = told + (isRight ? 1 - worthOfInformation : 0);
      return { reply: isRight ? null : next && `${read.move.toUpperCase()}: ${marks}${next}`, reward };
    });
    return { turns, metrics: { solved: solved ? 1 : 0, illegal_moves: illegal } };
  }
}

export function secretOf({ seed, heldOut }: Deal): string {
  const pool = words.filter((_, index) => (index % heldOutEvery === 0) === heldOut);
  return pool[seed % pool.length] ?? "";
}

/** One mark for each letter of the guess; a letter is marked as often as the word has it, those in place first. */
export function marksOf(guess: string, word: string): string {
  const marks: ("+" | "?" | "-")[] = [...guess].map((letter, index) => (word[index] === letter ? "+" : "-"));
  const spare = [...word].filter((_, index) => marks[index] !== "+");
  for (const [index, letter] of [...guess].entries()) {
    const at = spare.indexOf(letter);
    if (marks[index] === "+" || at < 0) continue;
    marks[index] = "?";
    spare.splice(at, 1);
  }
  return marks.join("");
}

/** The words that fit all that was told, read as a player would. */
export function fittingWords(told: readonly string[]): string[] {
  const clues = told.flatMap((text) => [...text.matchAll(/^([A-Z]{5}): ([-+?]{5})$/gm)]);
  return words.filter((word) =>
    clues.every(([, guess = "", marks]) => marksOf(guess.toLowerCase(), word) === marks),
  );
}

const problemOf = (guess: string): string | null =>
  /^[a-z]{5}$/.test(guess) ? null : "A guess has exactly five letters from a to z.";
