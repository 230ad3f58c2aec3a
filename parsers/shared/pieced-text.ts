/** A text made of pieces of another one, which knows where each of its places stood there. */
import type { Span } from "./define-parser.ts";

export class PiecedText {
  #text = "";
  readonly #pieces: { at: number; from: number }[] = [];

  get text(): string {
    return this.#text;
  }

  /** Adds what stands in the other text from `from` on. */
  add(piece: string, from: number): void {
    this.#pieces.push({ at: this.#text.length, from });
    this.#text += piece;
  }

  /** Adds text that the other one does not have; it counts as standing at `at`. */
  insert(text: string, at: number): void {
    this.add(text, at);
  }

  /** Where a span stood in the other text. */
  original([start, end]: Span): Span {
    return [this.#origin(start), this.#origin(end - 1) + 1];
  }

  #origin(position: number): number {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#pieces[middle]?.at ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    const { at, from } = this.#pieces[low] ?? { at: 0, from: 0 };
    return from + position - at;
  }
}
