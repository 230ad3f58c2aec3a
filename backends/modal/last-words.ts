/** Why a supervisor on Modal is gone, in words: what the sandbox' own end says, and what was written to stderr. */
import type { ContainerProcess, Sandbox } from "modal";
import type { ExecStream } from "./exec-stream.ts";

const patienceMs = 2_000;
const exitCodeTimeout = 124;
const exitCodeTerminated = 137;

/** Settles once when the stream has ended, never rejects. Asks Modal only where we did not end it ourselves. */
export function endOf(
  sandbox: Sandbox,
  process: ContainerProcess<Uint8Array>,
  stream: ExecStream,
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  stream.once("end", () => resolve(lastWords(sandbox, process)));
  stream.once("error", (error) => resolve(lastWords(sandbox, process, error.message)));
  stream.once("close", () => resolve("its command was let go"));
  return promise;
}

async function lastWords(
  sandbox: Sandbox,
  process: ContainerProcess<Uint8Array>,
  failure?: string,
): Promise<string> {
  const stderr = process.stderr.readText();
  const [exitCode, complaint] = await Promise.all([
    within(sandbox.poll(), undefined),
    failure === undefined ? within(stderr, "") : "",
  ]);
  const words = [describe(exitCode), complaint.trim().slice(-500), failure ?? ""];
  return words.filter((word) => word !== "").join("; ");
}

function describe(exitCode: number | null | undefined): string {
  if (exitCode === undefined) return "Modal did not say how its sandbox is";
  if (exitCode === null) return "its supervisor ended, its sandbox on Modal did not";
  if (exitCode === exitCodeTimeout) return "its time on Modal was up (modal_timeout)";
  if (exitCode === exitCodeTerminated) return "it was terminated on Modal";
  return `it ended on Modal with exit code ${exitCode}`;
}

async function within<T>(work: Promise<T>, otherwise: T): Promise<T> {
  const { promise: late, resolve } = Promise.withResolvers<T>();
  const timer = setTimeout(() => resolve(otherwise), patienceMs);
  return Promise.race([work.catch(() => otherwise), late]).finally(() => clearTimeout(timer));
}
