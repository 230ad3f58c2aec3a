/**
 * The verbs of one class, for an environment's file that is run by itself (`BaseEnv.cli`). It knows no
 * registry, so that an environment may import it without importing its siblings.
 */
import type { EnvClass } from "../env/env-class.ts";
import { processIo } from "./cli-io.ts";
import { environmentProgram } from "./environment-program.ts";
import { leaveWith, runProgram } from "./run-program.ts";

/** Runs `serve`, `process` or `evaluate` and sets the process's exit code. Never rejects. */
export async function runEnvironmentCli(
  fixed: EnvClass,
  argv: readonly string[] = process.argv.slice(2),
): Promise<void> {
  let exitCode = 0;
  const onExitCode = (code: number) => {
    exitCode = code;
  };
  const program = environmentProgram({ io: processIo(), environments: [fixed], fixed, onExitCode });
  leaveWith(await runProgram(program, argv, () => exitCode));
}
