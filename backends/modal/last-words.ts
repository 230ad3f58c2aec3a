/** Why a supervisor on Modal is gone, in words: what the sandbox' own end says, and what was written to stderr. */
import type { ContainerProcess, Sandbox } from "modal";
import type { ExecStream } from "./exec-stream.ts";

const patienceMs = 1_500;
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
  stream.once("close", () => resolve("its command let go"));
  return promise;
}

async function lastWords(
  sandbox: Sandbox,
  process: ContainerProcess<Uint8Array>,
  failure?: string,
): Promise<string> {
  const [exitCode, complaint] = await Promise.all([
    // The command's end is mostly known a moment before that of its sandbox.
    within(sandbox.wait(), { late: null, failed: undefined }),
    failure === undefined ? within(process.stderr.readText(), { late: "", failed: "" }) : "",
  ]);
  const words = [describe(exitCode), complaint.trim().slice(-500), failure ?? ""];
  return words.filter((word) => word !== "").join("; ");
}

/** As what follows "ended with". */
function describe(exitCode: number | null | undefined): string {
  if (exitCode === undefined) return "no word from Modal about its sandbox";
  if (exitCode === null) return "its sandbox still running on Modal";
  if (exitCode === exitCodeTimeout) return "its time on Modal up (modal_timeout)";
  if (exitCode === exitCodeTerminated) return "its sandbox terminated on Modal";
  return `exit code ${exitCode} of its sandbox on Modal`;
}

async function within<T, Otherwise>(
  work: Promise<T>,
  { late, failed }: { late: Otherwise; failed: Otherwise },
): Promise<T | Otherwise> {
  const { promise: isLate, resolve } = Promise.withResolvers<Otherwise>();
  const timer = setTimeout(() => resolve(late), patienceMs);
  return Promise.race([work.catch(() => failed), isLate]).finally(() => clearTimeout(timer));
}
