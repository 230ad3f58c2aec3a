/**
 * Toolset distributions: each toolset is in or out by its own coin, so a rollout group may get any mix.
 *
 * The coin of a toolset depends on the seed and its own name alone: adding a toolset to a table, or disabling
 * one, leaves the draws of the others as they were. The names and chances are hermes-agent's, as far as their
 * toolsets exist here (no image generation, no mixture of agents). Toolsets whose services are not configured are
 * never drawn (`resolveTools`).
 */
import { createHash } from "node:crypto";

/** Percent chance (0-100) per toolset. */
export type Distribution = Readonly<Record<string, number>>;

export const builtinDistributions = {
  default: { terminal: 100, file: 100, python: 100, web: 100, browser: 100, vision: 100 },
  balanced: { terminal: 50, file: 50, python: 50, web: 50, browser: 50, vision: 50 },
  browser_only: { browser: 100 },
  browser_tasks: { browser: 97, terminal: 15, vision: 12 },
  browser_use: { browser: 100, web: 80, vision: 70 },
  creative: { vision: 90, web: 30 },
  development: { terminal: 80, file: 80, web: 30, vision: 10 },
  minimal: { web: 100 },
  mixed_tasks: { terminal: 92, file: 92, browser: 92, web: 35, vision: 15 },
  python_only: { python: 100 },
  reasoning: { web: 30, terminal: 20 },
  research: { web: 90, browser: 70, vision: 50, terminal: 10 },
  safe: { web: 80, browser: 70, vision: 60 },
  science: { terminal: 94, file: 94, web: 94, vision: 65, browser: 50 },
  terminal_only: { terminal: 100, file: 100 },
  terminal_tasks: { terminal: 97, file: 97, web: 97, browser: 75, vision: 50 },
  terminal_web: { terminal: 100, file: 100, web: 100 },
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
