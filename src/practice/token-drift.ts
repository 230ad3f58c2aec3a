/**
 * The same text in other tokens than a tokenizer would choose, as real models sample it now and then. Whoever
 * re-encodes the text of such an answer trains on ids that were never sampled.
 */
import type { Tokenizer } from "../tokens/tokenizer.ts";

const splitShare = 1 / 8;

/** Ids that decode to the same text. Null when no token of it can be split. */
export function driftIds(
  tokenizer: Tokenizer,
  ids: readonly number[],
  random: () => number,
): number[] | null {
  const added = new Set(tokenizer.addedTokens.values());
  const first = Math.floor(random() * ids.length);
  const places = ids.map((_, offset) => (first + offset) % ids.length);
  const pieces = new Map<number, number[]>();
  for (const place of places) {
    // One split is enough to drift, and must come if any can.
    if (pieces.size > 0 && random() >= splitShare) continue;
    const id = ids[place];
    const split = id === undefined || added.has(id) ? null : splitToken(tokenizer, id, random);
    if (split) pieces.set(place, split);
  }
  if (pieces.size === 0) return null;
  const drifted = ids.flatMap((id, place) => pieces.get(place) ?? [id]);
  // Tokenizers that decode by context (word-initial spaces) may not give the same text.
  return tokenizer.decode(drifted) === tokenizer.decode(ids) ? drifted : null;
}

function splitToken(tokenizer: Tokenizer, id: number, random: () => number): number[] | null {
  const text = tokenizer.decode([id]);
  const characters = [...text];
  // Part of a character that spans several tokens.
  if (characters.length < 2 || text.includes("\u{fffd}")) return null;
  const cut = 1 + Math.floor(random() * (characters.length - 1));
  const halves = [characters.slice(0, cut).join(""), characters.slice(cut).join("")];
  const split = halves.flatMap((half) => tokenizer.encode(half));
  return split.length > 1 && tokenizer.decode(split) === text ? split : null;
}
