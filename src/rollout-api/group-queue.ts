/**
 * Groups that wait, with counts over all and per environment. They stand in lanes, one per environment and
 * size; within a lane they leave from its ends only. So a batch costs what it takes and the number of lanes,
 * not what is waiting.
 */
import { LachesisError } from "../contracts/errors.ts";
import { GroupSizes } from "./group-sizes.ts";
import { Lane } from "./lane.ts";

/** A stored group as queue and batcher know it. Stores may add where its body is. */
export type GroupRecord = {
  /** Unique in the run, growing with arrival. */
  id: number;
  sequences: number;
  envId: number | null;
  /** Size of the body. */
  bytes: number;
  /** Milliseconds since the epoch. */
  arrivedAt: number;
  /** The trainer's step when it came (see BatchAnswer). */
  arrivedStep: number;
  /** Place in the queue's order; null = it has not entered the queue. */
  position: number | null;
};

export type GroupLane<Group> = {
  envId: number | null;
  /** Sequences of each group in this lane. */
  sequences: number;
  /** Oldest first. */
  groups: Lane<Group>;
};

export class GroupQueue<Group extends GroupRecord> {
  readonly #lanes = new Map<number | null, Map<number, GroupLane<Group>>>();
  readonly #sizes = new GroupSizes();
  readonly #sizesByEnv = new Map<number | null, GroupSizes>();
  #bytes = 0;

  /** Counts over the whole queue. */
  get sizes(): GroupSizes {
    return this.#sizes;
  }

  /** Counts per environment that has groups here; null = groups of no environment. */
  get sizesByEnv(): ReadonlyMap<number | null, GroupSizes> {
    return this.#sizesByEnv;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The lanes that have groups in them. */
  lanes(): GroupLane<Group>[] {
    return [...this.#lanes.values()].flatMap((lanes) => [...lanes.values()]);
  }

  lanesOf(envId: number | null): GroupLane<Group>[] {
    return [...(this.#lanes.get(envId)?.values() ?? [])];
  }

  push(group: Group): void {
    const { envId, sequences, bytes } = group;
    const lanes = this.#lanes.get(envId) ?? new Map<number, GroupLane<Group>>();
    this.#lanes.set(envId, lanes);
    const lane = lanes.get(sequences) ?? { envId, sequences, groups: new Lane<Group>() };
    lanes.set(sequences, lane);
    lane.groups.push(group);
    this.#bytes += bytes;
    this.#sizes.add(sequences);
    const ownSizes = this.#sizesByEnv.get(envId) ?? new GroupSizes();
    this.#sizesByEnv.set(envId, ownSizes);
    ownSizes.add(sequences);
  }

  /**
   * Takes out groups, in any order, that stand at the ends of their lanes with none between them that stays.
   * Throws INTERNAL for others: left where they are, they would be served twice.
   */
  removeAll(groups: readonly Group[]): void {
    const leaving = new Set(groups);
    for (const { envId, sequences } of groups) {
      const lane = this.#lanes.get(envId)?.get(sequences)?.groups;
      if (lane === undefined) continue;
      for (let front = lane.at(0); front !== undefined && leaving.delete(front); front = lane.at(0)) {
        lane.shift();
        this.#uncount(front);
      }
      for (let end = lane.at(lane.size - 1); end !== undefined && leaving.delete(end); ) {
        lane.pop();
        this.#uncount(end);
        end = lane.at(lane.size - 1);
      }
      if (lane.size === 0) this.#dropLane(envId, sequences);
    }
    const [stuck] = leaving;
    if (stuck !== undefined) {
      throw new LachesisError("INTERNAL", `group ${stuck.id} was to leave from the middle of its lane`);
    }
  }

  #uncount({ envId, sequences, bytes }: Group): void {
    this.#bytes -= bytes;
    this.#sizes.remove(sequences);
    this.#sizesByEnv.get(envId)?.remove(sequences);
  }

  #dropLane(envId: number | null, sequences: number): void {
    const lanes = this.#lanes.get(envId);
    lanes?.delete(sequences);
    if (lanes?.size !== 0) return;
    this.#lanes.delete(envId);
    this.#sizesByEnv.delete(envId);
  }
}
