/** Runs a verifier in a sandbox that no model has touched: where it fails there, too, the machinery is broken. */
import { longestTimerMs } from "../../src/contracts/longest-timer.ts";
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import type { EnvServices } from "../../src/env/env-class.ts";
import { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import { ToolContext } from "../../src/tools/tool-context.ts";

export type FreshSandboxOptions = {
  /** Names the sandbox in logs. */
  name: string;
  services: Pick<EnvServices, "backend" | "logger">;
  sandboxSpec: SandboxSpec | undefined;
  toolTimeoutMs: number;
  signal: AbortSignal;
};

/** The sandbox is disposed of before this settles. */
export async function inFreshSandbox<Result>(
  { name, services, sandboxSpec, toolTimeoutMs, signal }: FreshSandboxOptions,
  use: (toolContext: ToolContext) => Promise<Result>,
): Promise<Result> {
  await using context = new EnvRolloutContext({
    ...services,
    rolloutId: `control-${name}`,
    groupId: "control",
    seed: 0,
    deadlineMs: Number.POSITIVE_INFINITY,
    signal,
    limits: { toolTimeoutMs: Math.min(toolTimeoutMs, longestTimerMs) },
    sandboxSpec,
  });
  return await use(new ToolContext({ context, tools: [] }));
}
