/** Python for tests: isolated, and known to be there before anything is blamed on the model. */
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Sandbox } from "../../src/contracts/sandbox.ts";
import { LineProcess } from "./line-process.ts";

const probeTimeoutMs = 20_000;

/** No PYTHON* variables, no user's or working directory's modules, no site.py, nothing written. */
export function startPython(
  sandbox: Sandbox,
  source: string,
  { python, signal }: { python: string; signal: AbortSignal },
): Promise<LineProcess> {
  const argv = [python, "-I", "-S", "-B", "-c", source] as const;
  return LineProcess.start(sandbox, { argv, cwd: sandbox.workspace }, { signal });
}

/** Rejects with TEST_RUNNER_FAILED where the sandbox has no such program. One in the workspace is the model's affair. */
export async function requireProgram(
  sandbox: Sandbox,
  program: string,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  if (program.startsWith(`${sandbox.workspace}/`)) return;
  const argv = ["sh", "-c", 'command -v "$1"', "sh", program] as const;
  const { exitCode } = await sandbox.exec({ argv, cwd: "/" }, { timeoutMs: probeTimeoutMs, signal });
  if (exitCode === 0) return;
  throw new LachesisError(
    "TEST_RUNNER_FAILED",
    `Tests need the program ${program}, and the sandbox has none.`,
    {
      hint: "Use an image that has it, or name another (the reward's parameters python, judge_python, command).",
    },
  );
}
