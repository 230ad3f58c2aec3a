/** A rollout's tree of turns as the sequences that a trainer takes. */
import type { ChatMessage } from "../contracts/chat.ts";
import type { Segment } from "../contracts/segment.ts";
import type { NewSegmentReason, SegmentStore, TurnNode } from "./segment-store.ts";

/** Where an answer of the model stands in a segment, and which of the rollout's calls, from 0, it answered. */
export type AnswerSpan = { start: number; end: number; call: number };

/** A segment, and how it came about. `messages` is the conversation that it holds; none for a prompt of text. */
export type RolloutSegment = Segment & {
  messages: ChatMessage[];
  answers: AnswerSpan[];
  startedBecause: NewSegmentReason;
};

/** Stands where no weight version sampled the id. */
const noVersion = -1;

/**
 * One segment for each turn that none follows, oldest first. What segments share is `sampled` in the newest, so
 * that a trainer that takes only the last one misses nothing of it.
 */
export function collectSegments(
  store: SegmentStore,
  { abandoned }: { abandoned: "keep" | "drop" },
): RolloutSegment[] {
  const claimed = new Set<TurnNode>();
  return store
    .leaves()
    .filter((leaf) => abandoned === "keep" || !wasAskedAgain(leaf))
    .toReversed()
    .map((leaf) => toSegment(store, leaf, claimed))
    .toReversed();
}

function toSegment(store: SegmentStore, leaf: TurnNode, claimed: Set<TurnNode>): RolloutSegment {
  const path = store.pathTo(leaf);
  const segment = { tokens: [] as number[], sampled: [] as boolean[], logprobs: [] as number[] };
  const versions: number[] = [];
  const answers: AnswerSpan[] = [];
  const add = (ids: readonly number[], turn: TurnNode | null) => {
    for (const [index, id] of ids.entries()) {
      segment.tokens.push(id);
      segment.sampled.push(turn !== null);
      segment.logprobs.push(turn?.logprobs[index] ?? 0);
      versions.push(turn?.versions?.[index] ?? noVersion);
    }
  };
  for (const turn of path) {
    add(turn.prompt.ids, null);
    const start = segment.tokens.length;
    answers.push({ start, end: start + turn.ids.length, call: turn.call });
    add(turn.ids, claimed.has(turn) ? null : turn);
    claimed.add(turn);
  }
  return {
    ...segment,
    ...(path.every((turn) => turn.versions !== null) && { versions }),
    finishReason: leaf.finishReason,
    messages: store.messagesTo(leaf),
    answers,
    startedBecause: path[0]?.prompt.reason ?? "first-turn",
  };
}

function wasAskedAgain(leaf: TurnNode): boolean {
  return leaf.prompt.turns.some((other) => other.call > leaf.call);
}
