/** What a group's line tells of its rollouts besides what a trainer takes: see `GroupProvenance`. */
import { createHash } from "node:crypto";
import type { JsonValue, ToolSchema } from "../contracts/chat.ts";
import type { GroupProvenance, RolloutProvenance } from "../contracts/group-provenance.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import type { Tool } from "../contracts/tool.ts";
import type { ScoredRollout } from "./play-group.ts";

/** What the environment itself knows of a group that it collected. */
export type GroupOrigin = { tools: ToolSchema[]; rollouts: RolloutProvenance[] };

export type OriginParts = {
  rollouts: readonly ScoredRollout[];
  /** Sequences of each rollout in the group. */
  counts: readonly number[];
  seeds: ReadonlyMap<string, number>;
  tools: readonly Tool[];
  group: ScoredGroup;
};

export function groupOrigin({ rollouts, counts, seeds, tools, group }: OriginParts): GroupOrigin {
  let first = 0;
  const told = rollouts.map(({ rolloutId, result, reward }, index): RolloutProvenance => {
    const count = counts[index] ?? 1;
    const inGroup = group.messages?.[first + count - 1];
    const sequences = { first, count };
    first += count;
    const isWhole = inGroup === undefined || JSON.stringify(inGroup) === JSON.stringify(result.messages);
    return {
      rollout_id: rolloutId,
      seed: seeds.get(rolloutId) ?? 0,
      reward,
      stop: result.stop,
      turns: result.turnsUsed,
      tool_errors: result.toolErrors.length,
      sequences,
      ...(!isWhole && { messages: result.messages }),
    };
  });
  return { tools: tools.map(({ schema }) => schema), rollouts: told };
}

/** An item of a run, as its groups' lines name it. */
export type PlayedItem = {
  itemNumber: number;
  attempt: number;
  seed: number;
  groupId: string;
  item: unknown;
  origin: GroupOrigin | null;
};

export function groupProvenance(
  { itemNumber, attempt, seed, groupId, item, origin }: PlayedItem,
  group: ScoredGroup,
  { env, model }: { env: string; model: string },
): GroupProvenance {
  const { json, digest } = itemDigest(item);
  const sequences = origin?.rollouts.reduce((sum, { sequences: { count } }) => sum + count, 0);
  return {
    group_id: groupId,
    env,
    model,
    item_number: itemNumber,
    item: json,
    item_digest: digest,
    attempt,
    seed,
    finished_at: new Date().toISOString(),
    tools: origin?.tools ?? null,
    sampling: group.generation_params,
    // An environment's postprocessing may have taken sequences away: then nobody knows whose the others are.
    rollouts: sequences === group.tokens.length ? (origin?.rollouts ?? null) : null,
  };
}

/** The item as JSON (null where it is none) and what tells it from others. */
export function itemDigest(item: unknown): { json: JsonValue; digest: string } {
  let text: string;
  try {
    text = JSON.stringify(item) ?? "null";
  } catch {
    // A bigint or a cycle: such an item can't be told from others, and is not saved.
    text = "null";
  }
  return { json: JSON.parse(text), digest: createHash("sha256").update(text).digest("hex") };
}
