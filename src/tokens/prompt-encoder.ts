/**
 * Prompt text to ids. A control token stands alone whatever surrounds it, so the text is cut before each and the
 * pieces are encoded by themselves. The tokenizer remembers them: a conversation that is rendered anew costs only
 * its new pieces, and the rollouts of a group share their system prompt and tools.
 */
import { type ControlTokens, guardMark } from "./control-tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Longer pieces may go to a worker thread. */
const shortPieceCharacters = 4_096;

export class PromptEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #control: ControlTokens;
  readonly #standsAlone = new Map<string, boolean>();

  constructor(tokenizer: Tokenizer, control: ControlTokens) {
    this.#tokenizer = tokenizer;
    this.#control = control;
  }

  async encode(text: string, { signal }: { signal: AbortSignal }): Promise<number[]> {
    signal.throwIfAborted();
    const ids: number[] = [];
    for (const piece of this.#pieces(text)) {
      const isGuarded = piece.includes(guardMark);
      const encode = isGuarded ? this.#encodeGuarded(piece, signal) : this.#encodeText(piece, signal);
      for (const id of await encode) ids.push(id);
    }
    return ids;
  }

  /** Ids of the text as it stands after the control token: some tokenizers treat the start of a text apart. */
  async encodeAfter(token: string, text: string, { signal }: { signal: AbortSignal }): Promise<number[]> {
    if (text === "") return [];
    const ids = await this.encode(token + text, { signal });
    return ids[0] === this.#control.idOf(token) ? ids.slice(1) : this.encode(text, { signal });
  }

  #pieces(text: string): string[] {
    const { pattern } = this.#control;
    if (pattern === null) return [text];
    const pieces: string[] = [];
    let start = 0;
    for (const { 0: token, index } of text.matchAll(new RegExp(pattern, "gu"))) {
      if (index === start || !this.#isCut(token)) continue;
      pieces.push(text.slice(start, index));
      start = index;
    }
    if (start < text.length) pieces.push(text.slice(start));
    return pieces;
  }

  /** Whether the token leaves what stands before it alone: a few swallow the whitespace in front of them. */
  #isCut(token: string): boolean {
    const known = this.#standsAlone.get(token);
    if (known !== undefined) return known;
    const before = this.#tokenizer.encode("a \n");
    const together = this.#tokenizer.encode(`a \n${token}`);
    const alone = together.length === before.length + 1 && before.every((id, at) => together[at] === id);
    this.#standsAlone.set(token, alone);
    return alone;
  }

  /** Both sides of each mark by themselves, so that the literal around it can't become its token. */
  async #encodeGuarded(piece: string, signal: AbortSignal): Promise<number[]> {
    const [first = "", ...others] = piece.split(guardMark);
    const ids = await this.#encodeText(first, signal);
    const head = this.#control.anyToken;
    for (const text of others) {
      for (const id of await this.#encodeTextAfter(head, text, signal)) ids.push(id);
    }
    return ids;
  }

  async #encodeTextAfter(token: string, text: string, signal: AbortSignal): Promise<number[]> {
    const ids = await this.#encodeText(token + text, signal);
    return ids[0] === this.#control.idOf(token) ? ids.slice(1) : this.#encodeText(text, signal);
  }

  async #encodeText(text: string, signal: AbortSignal): Promise<number[]> {
    return text.length <= shortPieceCharacters
      ? this.#tokenizer.encode(text)
      : this.#tokenizer.encodeLong(text, { signal });
  }
}
