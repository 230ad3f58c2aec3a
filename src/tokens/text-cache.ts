/** Ids of texts encoded before, by the text itself: system prompts, tool schemas and prompts of a group recur. */

/** Shorter texts are encoded faster than they are looked up. */
const shortest = 64;

export class TextCache {
  readonly #ids = new Map<string, readonly number[]>();
  readonly #mostCharacters: number;
  #characters = 0;

  constructor({ mostCharacters }: { mostCharacters: number }) {
    this.#mostCharacters = mostCharacters;
  }

  /** A copy: callers may change it. */
  get(text: string): number[] | undefined {
    const ids = this.#ids.get(text);
    if (ids === undefined) return undefined;
    // Last used goes to the end.
    this.#ids.delete(text);
    this.#ids.set(text, ids);
    return [...ids];
  }

  set(text: string, ids: readonly number[]): void {
    if (text.length < shortest || text.length > this.#mostCharacters || this.#ids.has(text)) return;
    // A text cut out of a prompt would keep the whole prompt alive; a copy doesn't.
    this.#ids.set(text.isWellFormed() ? Buffer.from(text).toString() : text, [...ids]);
    this.#characters += text.length;
    for (const oldest of this.#ids.keys()) {
      if (this.#characters <= this.#mostCharacters) break;
      this.#ids.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
