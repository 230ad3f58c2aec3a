/**
 * Where a saved group comes from: what the wire's group has no field for, and what data made of it later would
 * otherwise have lost. It stands under `provenance` in the group's line; readers of Atropos' files pass over it.
 */
import type { ChatMessage, JsonObject, JsonValue, ToolSchema } from "./chat.ts";
import type { StopReason } from "./outcome.ts";

export type RolloutProvenance = {
  rollout_id: string;
  seed: number;
  reward: number;
  stop: StopReason;
  turns: number;
  /** What the model got wrong in its calls, and tools that failed. */
  tool_errors: number;
  /** Its sequences in the group: index of the first, and how many. Several where its history was rewritten. */
  sequences: { first: number; count: number };
  /** The whole conversation, where the group's own messages are not just that. */
  messages?: ChatMessage[];
};

export type GroupProvenance = {
  group_id: string;
  env: string;
  model: string;
  /** Counts the items that the run took; the same item comes again in a later epoch under another number. */
  item_number: number;
  /** Null where it is no JSON. */
  item: JsonValue;
  /** SHA-256 of the item's JSON: the same row has the same. */
  item_digest: string;
  /** How often the item's group had been tried before. */
  attempt: number;
  seed: number;
  /** When the group was finished, ISO 8601. */
  finished_at: string;
  /** In the order in which the model was offered them; null where the environment doesn't tell. */
  tools: ToolSchema[] | null;
  sampling: JsonObject | null;
  rollouts: RolloutProvenance[] | null;
};
