/**
 * A game in turns of text. It keeps no state: what happened follows from the deal and the moves so far, so that any
 * number of rollouts can be played at once, and a finished one can be scored again.
 */
export type Deal = {
  /** What the cards, or the word, are drawn with. */
  seed: number;
  /** Of an evaluation: what is drawn never occurs in training, where that can be. */
  heldOut: boolean;
};

export type GameTurn = {
  /** What the player is told; null = the game is over. */
  reply: string | null;
  reward: number;
};

export type Playthrough = {
  /** One for each move. */
  turns: readonly GameTurn[];
  /** For logs, by name. */
  metrics: Readonly<Record<string, number>>;
};

export interface Game {
  /** Rules, and the first thing to decide. */
  opening(deal: Deal): string;
  /** `texts`: what the player said, turn by turn. A turn without exactly one legal move is told so, and is lost. */
  play(deal: Deal, texts: readonly string[]): Playthrough;
}

export type Move = { move: string } | { problem: string };

/** Longer is no move, however it goes on. */
const longestMove = 40;

/** The one `<move>…</move>` of a turn, in small letters; two are a hedge and none. */
export function readMove(text: string): Move {
  const found = [...text.matchAll(/<move>([^<>]*)<\/move>/gi)];
  const [first] = found;
  if (first === undefined) return { problem: "There is no move in it: write one as <move>...</move>." };
  if (found.length > 1 || text.match(/<\/?move>/gi)?.length !== 2) {
    return { problem: "There is more than one move in it: write exactly one." };
  }
  const move = (first[1] ?? "").trim().toLowerCase().replaceAll(/\s+/g, " ");
  return move.length > longestMove ? { problem: "That is no move." } : { move };
}
