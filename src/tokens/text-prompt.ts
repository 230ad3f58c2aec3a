/** Which turn a prompt given as text goes on from. */
import type { PromptNode, SegmentStore, TurnNode } from "./segment-store.ts";

/** `end`: how much of the text the segment holds already. */
export type FoundText = { turn: TurnNode; end: number };

/**
 * The turn with the longest text that the prompt starts with. Servers' text lacks the token that ends an answer,
 * so the prompt may lack it too.
 */
export function findTextTurn(store: SegmentStore, text: string): FoundText | null {
  const found: FoundText[] = [];
  const visit = (prompt: PromptNode, at: number) => {
    if (!text.startsWith(prompt.text, at)) return;
    const answerAt = at + prompt.text.length;
    for (const turn of prompt.turns) {
      const words = turn.text.slice(0, turn.text.length - turn.end.length);
      if (!text.startsWith(words, answerAt)) continue;
      const wordsEnd = answerAt + words.length;
      const end = text.startsWith(turn.end, wordsEnd) ? wordsEnd + turn.end.length : wordsEnd;
      found.push({ turn, end });
      for (const next of turn.prompts) visit(next, end);
    }
  };
  for (const root of store.roots) visit(root, 0);
  return found.toSorted((a, b) => a.end - b.end || a.turn.order - b.turn.order).at(-1) ?? null;
}
