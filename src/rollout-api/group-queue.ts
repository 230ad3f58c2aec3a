/**
 * The groups that wait for a batch, oldest first, with counts over all and per environment. Taking groups
 * out costs what is taken, not what is waiting.
 */
import { GroupSizes } from "./group-sizes.ts";

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
};

export class GroupQueue<Group extends GroupRecord> {
  readonly #groups = new Map<number, Group>();
  readonly #sizes = new GroupSizes();
  readonly #sizesByEnv = new Map<number | null, GroupSizes>();

  /** Counts over the whole queue. */
  get sizes(): Readonly<GroupSizes> {
    return this.#sizes;
  }

  /** Counts per environment that has groups here; null = groups of no environment. */
  get sizesByEnv(): ReadonlyMap<number | null, Readonly<GroupSizes>> {
    return this.#sizesByEnv;
  }

  [Symbol.iterator](): Iterator<Group> {
    return this.#groups.values();
  }

  push(group: Group): void {
    this.#groups.set(group.id, group);
    this.#sizes.add(group.sequences);
    const ownSizes = this.#sizesByEnv.get(group.envId) ?? new GroupSizes();
    this.#sizesByEnv.set(group.envId, ownSizes);
    ownSizes.add(group.sequences);
  }

  /** Takes these groups out, wherever they stand. */
  remove(groups: readonly Group[]): void {
    for (const group of groups) {
      if (!this.#groups.delete(group.id)) continue;
      this.#sizes.remove(group.sequences);
      const ownSizes = this.#sizesByEnv.get(group.envId);
      ownSizes?.remove(group.sequences);
      if (ownSizes?.groups === 0) this.#sizesByEnv.delete(group.envId);
    }
  }
}
