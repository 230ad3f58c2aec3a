/**
 * What a pool does after each change: who gets a slot, what is made, what is thrown away. Works on counts alone and
 * waits for nothing, so it may be called at any time and as often as one likes.
 */
import type { SandboxKind, Waiter } from "./sandbox-kind.ts";
import type { Slots } from "./slots.ts";
import { warmTargets } from "./warm-targets.ts";

export type PoolState = {
  kinds: readonly SandboxKind[];
  slots: Slots;
  /** Slots to keep ready; 0 while nobody asks for any. */
  size: number;
  maxTotal: number;
  /** Keys of the kinds of the latest requests, the last one last. */
  recent: readonly string[];
};

const refillsAtOnce = 2;

export function balance(state: PoolState): void {
  serve(state);
  trim(state);
  const starving = createForWaiters(state);
  if (starving > 0) makeRoom(state, starving - state.slots.ending);
  else refill(state);
}

/** Ready slots go to those who wait, per kind in the order of their arrival. */
function serve({ kinds, slots }: PoolState): void {
  for (const kind of kinds) {
    for (const waiter of kind.queue) {
      const slot = kind.warm.shift();
      if (slot === undefined) break;
      slots.offer(kind, waiter, slot);
    }
  }
}

/** Throws away what is more than anybody needs: creations whose waiters have left, slots while nobody asks. */
function trim({ kinds, slots, size, recent }: PoolState): void {
  let excess = supplyOf(kinds) - size;
  if (excess <= 0) return;
  const targets = targetsOf(kinds, size, recent);
  for (const kind of kinds) {
    const keep = targets.get(kind.key) ?? 0;
    while (excess > 0 && kind.supply > keep) {
      if (kind.creations.size > kind.queue.length) slots.cancelCreation(kind);
      else removeOldest(kind, slots);
      excess -= 1;
    }
  }
}

/** Starts a creation for each who waits and has none in sight; returns how many lack the room for it. */
function createForWaiters({ kinds, slots, maxTotal }: PoolState): number {
  const lacking: { waiter: Waiter; kind: SandboxKind }[] = kinds.flatMap((kind) =>
    kind.queue.slice(kind.creations.size).map((waiter) => ({ waiter, kind })),
  );
  let starving = 0;
  for (const { kind } of lacking.sort((a, b) => a.waiter.arrival - b.waiter.arrival)) {
    if (!kind.mayCreate({ isAsked: true })) continue;
    if (slots.total < maxTotal) slots.create(kind);
    else starving += 1;
  }
  return starving;
}

/** Takes from kinds that nobody waits for; the oldest request came from them, or none of late. */
function makeRoom({ kinds, slots, recent }: PoolState, count: number): void {
  const byRecency = kinds.toSorted((a, b) => recent.lastIndexOf(a.key) - recent.lastIndexOf(b.key));
  let left = count;
  for (const kind of byRecency) {
    while (left > 0 && kind.supply > 0) {
      if (kind.creations.size > kind.queue.length) slots.cancelCreation(kind);
      else removeOldest(kind, slots);
      left -= 1;
    }
  }
}

/** Makes slots ahead of requests, where the latest requests make them likely to be needed. */
function refill({ kinds, slots, size, maxTotal, recent }: PoolState): void {
  if (size === 0) return;
  const targets = targetsOf(kinds, size, recent);
  const surplus = (kind: SandboxKind) => kind.supply - (targets.get(kind.key) ?? 0);
  let refilling = kinds.reduce((sum, kind) => sum + Math.max(0, kind.creations.size - kind.queue.length), 0);
  for (const kind of kinds.toSorted((a, b) => surplus(a) - surplus(b))) {
    while (surplus(kind) < 0 && refilling < refillsAtOnce && kind.mayCreate({ isAsked: false })) {
      if (supplyOf(kinds) >= size || slots.total >= maxTotal) {
        const richest = kinds.toSorted((a, b) => surplus(b) - surplus(a))[0];
        if (richest === undefined || surplus(richest) <= 0 || richest.warm.length === 0) return;
        removeOldest(richest, slots);
      }
      if (slots.total >= maxTotal) return;
      slots.create(kind);
      refilling += 1;
    }
  }
}

function removeOldest(kind: SandboxKind, slots: Slots): void {
  const [oldest] = kind.warm;
  if (oldest !== undefined) slots.evict(kind, oldest);
}

function supplyOf(kinds: readonly SandboxKind[]): number {
  return kinds.reduce((sum, { supply }) => sum + supply, 0);
}

function targetsOf(
  kinds: readonly SandboxKind[],
  size: number,
  recent: readonly string[],
): Map<string, number> {
  return warmTargets(recent, size, new Map(kinds.map((kind) => [kind.key, kind.supply])));
}
