/** Where a Python session's process comes from: usually the rollout's own sandbox. */
import type { Sandbox, SandboxProcess } from "../contracts/sandbox.ts";
import { pythonCommand } from "./python-driver.ts";

export interface PythonHome {
  /** Names it in messages. */
  readonly id: string;
  /** Starts the driver. Rejects with the machinery's failure, or the signal's reason. */
  spawn(options: { signal: AbortSignal }): Promise<SandboxProcess>;
  /** Rejects when what the process lived in is gone, so that its end was no doing of the model's. */
  proveAlive(options: { signal: AbortSignal }): Promise<void>;
}

/** An interpreter of its own in this sandbox. */
export function sandboxHome(sandbox: Sandbox): PythonHome {
  return {
    id: `Sandbox ${sandbox.id}`,
    spawn: (options) => sandbox.spawn(pythonCommand(sandbox.workspace), options),
    proveAlive: async ({ signal }) => {
      await sandbox.exec({ argv: ["true"], cwd: "/" }, { timeoutMs: 10_000, signal });
    },
  };
}
