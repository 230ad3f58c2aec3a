/**
 * Toolset distributions: each toolset is in or out by its own coin, so a rollout group may get any mix.
 *
 * The coin of a toolset depends on the seed and its own name alone: adding a toolset to a table, or disabling
 * one, leaves the draws of the others as they were. The names and chances are hermes-agent's, as far as their
 * toolsets exist here; a distribution that would be left without toolsets is not offered.
 */
import { createHash } from "node:crypto";

/** Percent chance (0-100) per toolset. */
export type Distribution = Readonly<Record<string, number>>;

export const builtinDistributions = {
  default: { terminal: 100, file: 100, python: 100 },
  balanced: { terminal: 50, file: 50, python: 50 },
  development: { terminal: 80, file: 80 },
  mixed_tasks: { terminal: 92, file: 92 },
  python_only: { python: 100 },
  science: { terminal: 94, file: 94 },
  terminal_only: { terminal: 100, file: 100 },
  terminal_tasks: { terminal: 97, file: 97 },
} as const satisfies Readonly<Record<string, Distribution>>;

/**
 * Draws the toolsets of one group, in the table's order. Where no coin falls for any, the likeliest one is
 * taken (the first of equals). Toolsets in `without` are never drawn; where nothing else is left, none is.
 */
export function drawToolsets(
  table: Distribution,
  { seed, without = new Set() }: { seed: number; without?: ReadonlySet<string> },
): string[] {
  const allowed = Object.entries(table).filter(([toolset]) => !without.has(toolset));
  const drawn = allowed.filter(([toolset, percent]) => coin(seed, toolset) * 100 < percent);
  if (drawn.length > 0) return drawn.map(([toolset]) => toolset);
  let likeliest: readonly [string, number] | undefined;
  for (const entry of allowed) if (likeliest === undefined || entry[1] > likeliest[1]) likeliest = entry;
  return likeliest === undefined ? [] : [likeliest[0]];
}

/** Uniform in [0, 1), a function of its arguments. */
function coin(seed: number, toolset: string): number {
  return createHash("sha256").update(`toolset-draw:${seed}:${toolset}`).digest().readUIntBE(0, 6) / 2 ** 48;
}
