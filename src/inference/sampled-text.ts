/**
 * Sampled ids as text for parsers. A marker such as "<tool_call>" that the tokenizer has as a token counts only
 * where that token was sampled: the same letters made of ordinary ids are something that the model said, e.g. about
 * how tools are called. Such literals get a mark that no parser knows, which `unmarked` takes out again.
 */
import type { Tokenizer } from "../tokens/tokenizer.ts";

/** Noncharacters, which no text has reason to hold; other ones than those that guard prompts. */
const mark = "\uFDD3\uFDD4\uFDD3";
/** As JSON writes it where it writes ASCII only. */
const escapedMark = "\\ufdd3\\ufdd4\\ufdd3";

export class SampledText {
  readonly #tokenizer: Tokenizer;
  readonly #textById: ReadonlyMap<number, string>;
  readonly #pattern: RegExp | null;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#textById = new Map([...tokenizer.addedTokens].map(([text, id]) => [id, text]));
    const texts = [...tokenizer.addedTokens.keys()].filter((text) => text.trim().length > 1);
    const escaped = texts
      .toSorted((a, b) => b.length - a.length)
      .map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
    this.#pattern = escaped.length === 0 ? null : new RegExp(escaped.join("|"), "gu");
  }

  /** Special tokens kept, literal ones marked. */
  read(ids: readonly number[]): string {
    const text = this.#tokenizer.decode(ids);
    if (this.#pattern === null) return text;
    const found = [...text.matchAll(this.#pattern)];
    const sampled = ids.filter((id) => this.#textById.has(id));
    if (found.length === 0 || isAll(found, sampled, this.#textById)) return text;
    const starts = this.#startsOf(ids);
    return text.replaceAll(this.#pattern, (literal, index: number) => {
      if (starts.has(index)) return literal;
      const [first = ""] = literal;
      return first + mark + literal.slice(first.length);
    });
  }

  /** Where in the text the added tokens that were sampled begin. */
  #startsOf(ids: readonly number[]): Set<number> {
    const starts = new Set<number>();
    for (const [index, id] of ids.entries()) {
      if (this.#textById.has(id)) starts.add(this.#tokenizer.decode(ids.slice(0, index)).length);
    }
    return starts;
  }
}

/** The text as the model meant it. */
export function unmarked(text: string): string {
  return text.replaceAll(mark, "").replaceAll(escapedMark, "");
}

function isAll(
  found: readonly RegExpMatchArray[],
  sampled: readonly number[],
  textById: ReadonlyMap<number, string>,
): boolean {
  return (
    found.length === sampled.length && found.every(([text], at) => textById.get(sampled[at] ?? -1) === text)
  );
}
