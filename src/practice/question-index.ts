/**
 * Finds which of many known questions a text contains, whatever a prompt wraps around it. Texts are compared
 * as sequences of lower-case words and numbers, so white space, quotes and punctuation do not matter. Cost
 * of a look-up: the text's words, times the few questions that begin alike.
 */
const openingWords = 6;

export class QuestionIndex {
  readonly #byOpening = new Map<string, { question: number; words: readonly string[] }[]>();
  /** How many words an opening key can have: fewer than usual for very short questions. */
  readonly #openingLengths = new Set<number>();

  /** `questions[i]` is found as i; of equal questions the first is. */
  constructor(questions: readonly string[]) {
    for (const [question, text] of questions.entries()) this.#add(question, wordsOf(text));
  }

  /** The question that ends last in the text (examples come first); the longer one of two; null = none. */
  find(text: string): number | null {
    const words = wordsOf(text);
    let found: { question: number; end: number; length: number } | null = null;
    for (let start = 0; start < words.length; start += 1) {
      for (const candidate of this.#candidates(words, start)) {
        const length = candidate.words.length;
        const end = start + length;
        if (found && (end < found.end || (end === found.end && length <= found.length))) continue;
        if (candidate.words.every((word, offset) => words[start + offset] === word)) {
          found = { question: candidate.question, end, length };
        }
      }
    }
    return found?.question ?? null;
  }

  #add(question: number, words: readonly string[]): void {
    if (words.length === 0) return;
    const opening = words.slice(0, openingWords);
    this.#openingLengths.add(opening.length);
    const key = opening.join(" ");
    const alike = this.#byOpening.get(key);
    if (alike) alike.push({ question, words });
    else this.#byOpening.set(key, [{ question, words }]);
  }

  *#candidates(words: readonly string[], start: number) {
    for (const length of this.#openingLengths) {
      const key = words.slice(start, start + length).join(" ");
      yield* this.#byOpening.get(key) ?? [];
    }
  }
}

const wordsOf = (text: string): string[] =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu) ?? [];
