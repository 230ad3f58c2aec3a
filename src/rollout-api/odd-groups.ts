/** Finds, among an environment's odd-sized groups, those that together make one group of the due size. */
import type { GroupLane, GroupRecord } from "./group-queue.ts";

/**
 * The groups of these lanes to put together, in order of arrival; empty = there are none. Of each size no more
 * than the target can hold are looked at from either end, which changes nothing: of equal sizes the choice
 * takes the first ones or the last ones.
 */
export function findOddGroups<Group extends GroupRecord>(
  target: number,
  lanes: readonly GroupLane<Group>[],
): Group[] {
  const candidates: Group[] = [];
  for (const { sequences, groups } of lanes) {
    const most = sequences === 0 ? groups.size : Math.floor(target / sequences);
    for (let index = 0; index < groups.size; index++) {
      if (index === most) index = Math.max(index, groups.size - most);
      const group = groups.at(index);
      if (group !== undefined) candidates.push(group);
    }
  }
  candidates.sort((a, b) => a.id - b.id);
  const sizes = candidates.map(({ sequences }) => sequences);
  const chosen = new Set(findGroupsSummingTo(target, sizes));
  return candidates.filter((_, index) => chosen.has(index));
}

/**
 * Indexes (ascending) of groups whose sizes add up to `target`; empty = there are none. Oldest first where
 * taking whatever fits leads there, otherwise the combination that has the newest groups in it.
 */
export function findGroupsSummingTo(target: number, sizes: readonly number[]): number[] {
  return takeWhatFits(target, sizes) ?? findSubset(target, sizes) ?? [];
}

function takeWhatFits(target: number, sizes: readonly number[]): number[] | undefined {
  const taken: number[] = [];
  let sum = 0;
  for (const [index, size] of sizes.entries()) {
    if (sum + size > target) continue;
    taken.push(index);
    sum += size;
    if (sum === target) return taken;
  }
  return undefined;
}

/** Subset sum: `reachable[i]` has every sum up to the target that the first i groups can make. */
function findSubset(target: number, sizes: readonly number[]): number[] | undefined {
  const reachable = [new Set([0])];
  for (const size of sizes) {
    const before = reachable.at(-1) ?? new Set<number>();
    const after = new Set(before);
    for (const sum of before) if (sum + size <= target) after.add(sum + size);
    reachable.push(after);
  }
  if (reachable.at(-1)?.has(target) !== true) return undefined;

  const taken: number[] = [];
  let left = target;
  for (let index = sizes.length - 1; index >= 0; index--) {
    const rest = left - (sizes[index] ?? 0);
    if (rest < 0 || reachable[index]?.has(rest) !== true) continue;
    taken.push(index);
    left = rest;
  }
  return taken.reverse();
}
