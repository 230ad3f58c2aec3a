/**
 * What n samples of an item, c of them right, say of k samples: without bias, over all ways to choose k of the n.
 * (Chen et al. 2021 for pass@k; tau-bench's pass^k is the same count for "all" instead of "any".)
 */
import { LachesisError } from "../../contracts/errors.ts";

/** Chance that at least one of k samples is right: 1 − C(n−c, k) / C(n, k). Throws where k is none of 1..n. */
export function passAtK({ samples, correct }: ItemCount, k: number): number {
  return 1 - allOf(samples - correct, samples, k);
}

/** Chance that all of k samples are right: C(c, k) / C(n, k). Throws where k is none of 1..n. */
export function passHatK({ samples, correct }: ItemCount, k: number): number {
  return allOf(correct, samples, k);
}

export type ItemCount = { samples: number; correct: number };

/** C(some, k) / C(all, k), as a product that never overflows. */
function allOf(some: number, all: number, k: number): number {
  if (!Number.isInteger(k) || k < 1 || k > all) {
    throw new LachesisError("INTERNAL", `pass@k of ${all} samples: expected k from 1 to ${all}, got ${k}`);
  }
  if (some < k) return 0;
  let chance = 1;
  for (let drawn = 0; drawn < k; drawn++) chance *= (some - drawn) / (all - drawn);
  return chance;
}
