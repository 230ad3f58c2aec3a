/**
 * Which weights sampled a token. Environments of Lachesis send `overrides[i].weight_version`, a number, or one a token
 * with null where none sampled; others send it for the group or the way it was sampled, or `overrides[i].versions`,
 * one a token with -1. The nearest one counts.
 */
import type { ScoredGroup } from "../contracts/scored-group.ts";

/** The version at a position; null = none sampled it. */
export type VersionAt = (position: number) => number | null;

/** Null where the group doesn't say. Versions that are no whole numbers say nothing either. */
export function versionsOf(group: ScoredGroup, sequence: number): VersionAt | null {
  const own = group.overrides?.[sequence];
  const candidates = [
    own?.versions,
    own?.weight_version,
    group.group_overrides?.weight_version,
    group.generation_params?.weight_version,
  ];
  for (const candidate of candidates) {
    const length = group.tokens[sequence]?.length;
    if (isVersion(candidate)) return () => candidate;
    if (Array.isArray(candidate) && candidate.length === length && candidate.every(isTokenVersion)) {
      return (position) => {
        const version = candidate[position] ?? -1;
        return version < 0 ? null : version;
      };
    }
  }
  return null;
}

function isVersion(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isTokenVersion(value: unknown): value is number | null {
  return value === null || isVersion(value);
}
