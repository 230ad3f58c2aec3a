/** One way of making sandboxes on this machine. */
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";

/** Disposing of it, once no sandbox is left, gives back what it held for new ones. */
export interface SandboxLauncher extends AsyncDisposable {
  /** Rejects with SANDBOX_START_FAILED or the signal's reason, and then leaves nothing behind. */
  launch(id: string, signal: AbortSignal): Promise<SupervisedSandbox>;
}
