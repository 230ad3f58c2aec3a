/** One way of making sandboxes on this machine. */
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";

export interface SandboxLauncher {
  /** Rejects with SANDBOX_START_FAILED or the signal's reason, and then leaves nothing behind. */
  launch(id: string, signal: AbortSignal): Promise<SupervisedSandbox>;
}
