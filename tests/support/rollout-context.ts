/** Rollout contexts for tests: the product's own class over a real local backend. */
import { pino } from "pino";
import { createBackend } from "../../backends/index.ts";
import type { RolloutContext } from "../../src/contracts/rollout-context.ts";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import { EnvRolloutContext, type RolloutContextOptions } from "../../src/env/rollout-context.ts";
import { builtinTools } from "../../src/tools/builtin-tools.ts";

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

/** The same tools behind bubblewrap's walls. */
export function walledBackend(): SandboxBackend {
  return createBackend("local", { isolation: "bubblewrap" });
}

/** Why no walled sandbox can be made on this machine; null = it can. */
export async function walledBackendProblem(): Promise<string | null> {
  await using backend = walledBackend();
  try {
    await backend.check({ signal: AbortSignal.timeout(30_000) });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Calls built-in tools of one rollout and parses what the model would read. */
export function toolCaller(context: RolloutContext) {
  const tools = new Map(builtinTools().map((tool) => [tool.name, tool]));
  return async (name: string, args: unknown): Promise<Record<string, unknown> & { ok: boolean }> => {
    const result = await tools.get(name)!.call(args, context);
    return { ok: result.ok, ...(JSON.parse(result.content) as Record<string, unknown>) };
  };
}
