/**
 * Prompt text to ids, never the same text twice. A control token stands alone whatever surrounds it, so the text
 * is cut before each and the pieces are encoded, and remembered, by themselves: a conversation that is rendered
 * anew costs only its new pieces, and the rollouts of a group share their system prompt and tools.
 */
import { type ControlTokens, guardMark } from "./control-tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Pieces up to this long are encoded at once; longer ones may go to a worker thread. */
const shortPieceCharacters = 4_096;
const defaultCacheCharacters = 4_000_000;

export class PromptEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #control: ControlTokens;
  readonly #cacheCharacters: number;
  /** Least recently used first. */
  readonly #cache = new Map<string, readonly number[]>();
  #cachedCharacters = 0;
  #encodedCharacters = 0;
  readonly #standsAlone = new Map<string, boolean>();

  constructor(
    tokenizer: Tokenizer,
    control: ControlTokens,
    { cacheCharacters = defaultCacheCharacters }: { cacheCharacters?: number } = {},
  ) {
    this.#tokenizer = tokenizer;
    this.#control = control;
    this.#cacheCharacters = cacheCharacters;
  }

  /** Characters that went through the tokenizer so far: what was not remembered. */
  get encodedCharacters(): number {
    return this.#encodedCharacters;
  }

  async encode(text: string, { signal }: { signal: AbortSignal }): Promise<number[]> {
    signal.throwIfAborted();
    const pieces: (readonly number[])[] = [];
    for (const piece of this.#pieces(text)) pieces.push(await this.#encodePiece(piece, signal));
    return pieces.flat();
  }

  /** Ids of the text as it stands after the control token: some tokenizers treat the start of a text apart. */
  async encodeAfter(token: string, text: string, { signal }: { signal: AbortSignal }): Promise<number[]> {
    if (text === "") return [];
    const [first, ...rest] = await this.encode(token + text, { signal });
    return first === this.#control.idOf(token) ? rest : this.encode(text, { signal });
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

  async #encodePiece(piece: string, signal: AbortSignal): Promise<readonly number[]> {
    const cached = this.#cache.get(piece);
    if (cached !== undefined) {
      this.#cache.delete(piece);
      this.#cache.set(piece, cached);
      return cached;
    }
    const ids = piece.includes(guardMark)
      ? await this.#encodeGuarded(piece, signal)
      : await this.#encodeText(piece, signal);
    this.#remember(piece, ids);
    return ids;
  }

  /** Both sides of each mark by themselves, so that the literal around it can't become its token. */
  async #encodeGuarded(piece: string, signal: AbortSignal): Promise<number[]> {
    const [first = "", ...others] = piece.split(guardMark);
    const ids = await this.#encodeText(first, signal);
    const head = this.#control.anyToken;
    for (const text of others) {
      const [token, ...rest] = await this.#encodeText(head + text, signal);
      if (token !== this.#control.idOf(head)) rest.splice(0, rest.length, ...this.#tokenizer.encode(text));
      for (const id of rest) ids.push(id);
    }
    return ids;
  }

  async #encodeText(text: string, signal: AbortSignal): Promise<number[]> {
    this.#encodedCharacters += text.length;
    return text.length <= shortPieceCharacters
      ? this.#tokenizer.encode(text)
      : this.#tokenizer.encodeLong(text, { signal });
  }

  #remember(piece: string, ids: readonly number[]): void {
    if (piece.length * 4 > this.#cacheCharacters || !piece.isWellFormed()) return;
    // A slice would keep the whole prompt that it was cut from alive.
    this.#cache.set(Buffer.from(piece).toString(), ids);
    this.#cachedCharacters += piece.length;
    for (const [oldest] of this.#cache) {
      if (this.#cachedCharacters <= this.#cacheCharacters) break;
      this.#cache.delete(oldest);
      this.#cachedCharacters -= oldest.length;
    }
  }
}
