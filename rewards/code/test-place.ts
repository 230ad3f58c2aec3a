/**
 * Where a verifier runs things that it wants no process of the rollout near: a fresh fork of the rollout's sandbox,
 * with its files and none of its processes. Where a backend can't fork, it is the rollout's sandbox itself.
 */
import type { Sandbox } from "../../src/contracts/sandbox.ts";
import type { ToolContext } from "../../src/tools/tool-context.ts";

export type TestPlace = AsyncDisposable & {
  sandbox: Sandbox;
  /** False: processes that the model started may still run here, as the same user. */
  isFresh: boolean;
};

/** Rejects as `Sandbox.fork` does; disposing of it disposes of a fork, and never of the rollout's own sandbox. */
export async function openTestPlace(
  toolContext: ToolContext,
  { signal }: { signal: AbortSignal },
): Promise<TestPlace> {
  const sandbox = await toolContext.sandbox();
  if (sandbox.fork === undefined) {
    return { sandbox, isFresh: false, [Symbol.asyncDispose]: async () => undefined };
  }
  const fork = await sandbox.fork({ signal });
  return { sandbox: fork, isFresh: true, [Symbol.asyncDispose]: () => fork[Symbol.asyncDispose]() };
}
