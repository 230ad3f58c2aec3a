/** Rollout contexts for tests: the product's own class over a real local backend. */
import { pino } from "pino";
import { createBackend } from "../../backends/index.ts";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import { EnvRolloutContext, type RolloutContextOptions } from "../../src/env/rollout-context.ts";

/** Plain processes: the tools under test are trusted, and work where bubblewrap is missing. */
export function plainBackend(): SandboxBackend {
  return createBackend("local", { isolation: "none" });
}

/** A rollout of its own; dispose of it before its backend. */
export function rolloutContext(
  backend: SandboxBackend,
  options: Partial<RolloutContextOptions> = {},
): EnvRolloutContext {
  return new EnvRolloutContext({
    rolloutId: "rollout-1",
    groupId: "group-1",
    seed: 1,
    deadlineMs: Number.POSITIVE_INFINITY,
    signal: new AbortController().signal,
    logger: pino({ level: "silent" }),
    limits: { toolTimeoutMs: 20_000 },
    backend,
    ...options,
  });
}
