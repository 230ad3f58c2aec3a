/** From a started child process with a supervisor in it to a sandbox that answers. */
import type { ChildProcess } from "node:child_process";
import { Duplex } from "node:stream";
import { LachesisError } from "../../src/contracts/errors.ts";
import { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";
import { died, SupervisorConnection } from "../supervisor/supervisor-connection.ts";
import type { HostProcess } from "./host-process.ts";

export type OpenSandboxOptions = {
  id: string;
  workspace: string;
  baseEnv: Readonly<Record<string, string>>;
  child: ChildProcess;
  host: HostProcess;
  /** Index into the child's stdio of the host's end of the control socket. */
  controlFd: number;
  /** Kills whatever the child started, at any time of its life, and settles when nothing is left of it. */
  demolish: () => Promise<void>;
  signal: AbortSignal;
};

/**
 * Settles when the supervisor reports for duty. A failed or aborted start is demolished before this rejects,
 * with SANDBOX_START_FAILED or the signal's reason. The sandbox demolishes itself when its process ends.
 */
export async function openSandbox(options: OpenSandboxOptions): Promise<SupervisedSandbox> {
  const { id, workspace, baseEnv, child, host, controlFd, demolish, signal } = options;
  const control = child.stdio[controlFd];
  if (!(control instanceof Duplex)) throw startFailed(id, await host.ended, undefined);

  const connection = new SupervisorConnection(control);
  const sandbox = new SupervisedSandbox({ id, workspace, baseEnv, connection, demolish });
  void host.ended.then((how) => connection.break(died(`its process ended with ${how}`)));

  const onAbort = () => void sandbox[Symbol.asyncDispose]();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await connection.ready;
    return sandbox;
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    signal.throwIfAborted();
    throw startFailed(id, host.complaint || (await host.ended), error);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function startFailed(id: string, why: string, cause: unknown): LachesisError {
  return new LachesisError("SANDBOX_START_FAILED", `The sandbox ${id} could not be started: ${why}.`, {
    cause,
    retryable: true,
  });
}
