/** From a byte stream with a starting supervisor at its other end to a sandbox that answers. */
import type { Duplex } from "node:stream";
import { LachesisError } from "../../src/contracts/errors.ts";
import { SupervisedSandbox, type SupervisedSandboxOptions } from "./supervised-sandbox.ts";
import { SupervisorConnection } from "./supervisor-connection.ts";

export type OpenSupervisedSandboxOptions = Omit<SupervisedSandboxOptions, "connection"> & {
  stream: Duplex;
  /** How the place ended, in words; settles when it has and never rejects. A broken stream waits a moment for it. */
  ended?: Promise<string>;
  /** What the place said about its failure so far, for the message of a start that failed. */
  complaint?: () => string;
  signal: AbortSignal;
};

/**
 * Settles when the supervisor reports for duty. A failed or aborted start is demolished before this rejects,
 * with SANDBOX_START_FAILED or the signal's reason. The sandbox demolishes itself when its place or stream ends.
 */
export async function openSupervisedSandbox(
  options: OpenSupervisedSandboxOptions,
): Promise<SupervisedSandbox> {
  const { id, stream, ended, complaint, signal } = options;
  const connection = new SupervisorConnection(stream, ended);
  const sandbox = new SupervisedSandbox({ ...options, connection });

  const onAbort = () => void sandbox[Symbol.asyncDispose]();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await connection.ready;
    return sandbox;
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    signal.throwIfAborted();
    throw startFailed(id, complaint?.() || (await ended) || messageOf(error), error);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

export function startFailed(id: string, why: string, cause?: unknown): LachesisError {
  return new LachesisError("SANDBOX_START_FAILED", `The sandbox ${id} could not be started: ${why}.`, {
    cause,
    retryable: true,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
