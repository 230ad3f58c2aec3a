/** The `evaluate` verb: set up, evaluate once, write the report. */
import { LachesisError } from "../contracts/errors.ts";
import { proveWritable } from "../data/evaluation-files.ts";
import type { BaseEnv } from "./base-env.ts";
import { runEvaluation, type WrittenEvaluation } from "./run-evaluation.ts";
import { type RunSignals, startEnvironment } from "./start-environment.ts";

/**
 * Writes into `data_dir_to_save_evals`, or the run directory. After `drain` the report holds the items that
 * were played by then. Rejects with EVALUATION_MISSING when the environment has none, with
 * OUTPUT_UNWRITABLE before anything is played, with the signal's reason on abort.
 */
export async function evaluateEnvironment({
  env,
  drain,
  abort,
}: RunSignals & { env: BaseEnv }): Promise<WrittenEvaluation> {
  await using _cleanup = await startEnvironment(env, AbortSignal.any([drain, abort]));
  const directory = env.config.data_dir_to_save_evals ?? env.services.runDirectory;
  await proveWritable(directory);
  const written = await runEvaluation(env, { signal: abort, drain, directory });
  if (written !== null) return written;
  throw new LachesisError("EVALUATION_MISSING", `${env.name} has no evaluation.`);
}
