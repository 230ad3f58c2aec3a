/** From a started child process with a supervisor in it to a sandbox that answers. */
import type { ChildProcess } from "node:child_process";
import { Duplex } from "node:stream";
import { openSupervisedSandbox, startFailed } from "../supervisor/open-supervised-sandbox.ts";
import type { SupervisedSandbox, SupervisedSandboxOptions } from "../supervisor/supervised-sandbox.ts";
import type { HostProcess } from "./host-process.ts";

export type OpenSandboxOptions = Omit<SupervisedSandboxOptions, "connection" | "shell"> & {
  child: ChildProcess;
  host: HostProcess;
  /** Index into the child's stdio of the host's end of the control socket. */
  controlFd: number;
  signal: AbortSignal;
};

/**
 * Settles when the supervisor reports for duty. A failed or aborted start is demolished before this rejects,
 * with SANDBOX_START_FAILED or the signal's reason. The sandbox demolishes itself when its process ends.
 */
export async function openSandbox(options: OpenSandboxOptions): Promise<SupervisedSandbox> {
  const { child, host, controlFd, ...rest } = options;
  const stream = child.stdio[controlFd];
  if (!(stream instanceof Duplex)) throw startFailed(options.id, await host.ended);
  return openSupervisedSandbox({ ...rest, stream, ended: host.ended, complaint: () => host.complaint });
}
