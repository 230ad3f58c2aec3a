/** Which groups a run does not take in: those that could never leave it, and those for which it has no room. */
import type { EncodedGroup } from "./group-fields.ts";
import type { QueueLimits, RunBehaviour } from "./store-options.ts";

export type Refusal =
  | { kind: "full"; retryAfterSeconds: number }
  | { kind: "unpackable"; group: EncodedGroup; reason: string };

export type RefusalInput = {
  behaviour: RunBehaviour;
  limits: QueueLimits;
  /** Sequences per batch; below 1 = none are formed, or no trainer has said yet. */
  batchSize: number;
  held: { groups: number; bytes: number };
};

/** How soon a sender may try again: about the time between two batches. */
const RETRY_AFTER_SECONDS = 2;

/** Why these new groups are refused together; undefined = they may come in. */
export function refuseGroups(
  groups: readonly EncodedGroup[],
  { behaviour, limits, batchSize, held }: RefusalInput,
): Refusal | undefined {
  for (const group of behaviour.packing === "exact" ? groups : []) {
    const reason = unpackableReason(group, batchSize);
    if (reason !== undefined) return { kind: "unpackable", group, reason };
  }
  const [first] = groups;
  if (first === undefined) return undefined;
  const bytes = groups.reduce((sum, { body }) => sum + body.length, 0);
  const { maxQueueGroups, maxQueueBytes } = limits;
  if (groups.length > maxQueueGroups || bytes > maxQueueBytes) {
    const reason = `${groups.length} groups of ${bytes} bytes are more than a run may hold`;
    return { kind: "unpackable", group: first, reason };
  }
  const isFull = held.groups + groups.length > maxQueueGroups || held.bytes + bytes > maxQueueBytes;
  return isFull ? { kind: "full", retryAfterSeconds: RETRY_AFTER_SECONDS } : undefined;
}

function unpackableReason({ sequences }: EncodedGroup, batchSize: number): string | undefined {
  if (sequences === 0) return "A group without sequences can't be part of a batch";
  if (batchSize < 1 || sequences <= batchSize) return undefined;
  return `A group of ${sequences} sequences can't be part of a batch of ${batchSize}`;
}
