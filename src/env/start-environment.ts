import { untilAborted } from "../contracts/until-aborted.ts";
import type { BaseEnv } from "./base-env.ts";
import type { RunPurpose } from "./env-class.ts";
import { thrownBy } from "./own-code.ts";

/** How a run is told to end: `drain` first (finish what is in flight), `abort` for at once. */
export type RunSignals = { drain: AbortSignal; abort: AbortSignal };

/**
 * Prepares and sets an environment up; disposing of what it returns cleans up. A failed or aborted start
 * cleans up too, and rejects.
 */
export async function startEnvironment(
  env: BaseEnv,
  signal: AbortSignal,
  { purpose }: { purpose?: RunPurpose } = {},
): Promise<AsyncDisposable> {
  try {
    signal.throwIfAborted();
    await untilAborted(env.prepare({ signal, purpose }), signal);
    await untilAborted(setUp(env, signal), signal);
  } catch (error) {
    // What made the start fail is the news; a clean-up that fails because of it is not.
    await env.cleanup().catch((cleanup: unknown) => {
      env.services.logger.warn({ err: cleanup }, "cleanup-failed");
    });
    throw error;
  }
  return { [Symbol.asyncDispose]: () => env.cleanup() };
}

async function setUp(env: BaseEnv, signal: AbortSignal): Promise<void> {
  try {
    await env.setup({ signal });
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrownBy("setup", env.name, thrown);
  }
}
