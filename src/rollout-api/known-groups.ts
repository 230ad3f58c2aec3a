/**
 * The names under which groups came, with the answers they got: a group that comes again under a name counts
 * once. The run's newest names are remembered, whether their groups are still here or long gone.
 */
import type { Placement } from "./group-store.ts";

/** Far more than can be under way at any time, at some 100 bytes each. */
export const REMEMBERED_GROUP_IDS = 200_000;

export class KnownGroups {
  readonly #placements = new Map<string, Placement>();
  readonly #limit: number;

  constructor(limit = REMEMBERED_GROUP_IDS) {
    this.#limit = limit;
  }

  /** The first answer to this name; undefined = it is new. */
  get(groupId: string): Placement | undefined {
    return this.#placements.get(groupId);
  }

  add(groupId: string, placement: Placement): void {
    this.#placements.set(groupId, placement);
    if (this.#placements.size <= this.#limit) return;
    for (const oldest of this.#placements.keys()) {
      this.#placements.delete(oldest);
      return;
    }
  }

  clear(): void {
    this.#placements.clear();
  }
}
