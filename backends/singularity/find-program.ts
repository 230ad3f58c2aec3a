/** Finds Apptainer, or SingularityCE, or an older Singularity. Debian's package `singularity` is a game. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { LachesisError } from "../../src/contracts/errors.ts";

const names = ["apptainer", "singularity"];
const versionPattern = /^(apptainer|singularity(-ce|-pro)?) version \S+/i;
const askTimeoutMs = 10_000;
const run = promisify(execFile);

/** The program's absolute path. Rejects with SANDBOX_UNAVAILABLE. */
export async function findProgram(path: string | undefined, signal: AbortSignal): Promise<string> {
  const complaints: string[] = [];
  for (const name of path === undefined ? names : [path]) {
    try {
      const { stdout: where } = await run("sh", ["-c", 'command -v -- "$1"', "sh", name], { signal });
      const program = where.trim();
      const { stdout } = await run(program, ["--version"], { signal, timeout: askTimeoutMs });
      if (versionPattern.test(stdout)) return program;
      complaints.push(
        `${program} is another program: its --version is ${JSON.stringify(stdout.slice(0, 80))}`,
      );
    } catch (error) {
      signal.throwIfAborted();
      complaints.push(`${name} cannot be run${reason(error)}`);
    }
  }
  throw new LachesisError(
    "SANDBOX_UNAVAILABLE",
    `No Apptainer or Singularity was found: ${complaints.join("; ")}.`,
    {
      hint:
        "Install Apptainer (https://apptainer.org; Debian's package `singularity` is a game), load the cluster's module, " +
        "or name the program as `env.singularity_path`.",
    },
  );
}

function reason(error: unknown): string {
  const text = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return text === "" ? "" : ` (${text.slice(0, 200)})`;
}
