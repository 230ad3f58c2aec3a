/** The `evaluate` verb: set up, evaluate once, write the report. */
import { LachesisError } from "../contracts/errors.ts";
import { proveWritable } from "../data/evaluation-files.ts";
import type { BaseEnv } from "./base-env.ts";
import { passKOf } from "./env-config.ts";
import { type RunEvaluationOptions, runEvaluation, type WrittenEvaluation } from "./run-evaluation.ts";
import { type RunSignals, startEnvironment } from "./start-environment.ts";

/**
 * Writes into `directory`, which is `data_dir_to_save_evals` or the run directory if it isn't said. After `drain` the
 * report holds what was played by then. Rejects with EVALUATION_MISSING when the environment has none, with
 * OUTPUT_UNWRITABLE before anything is played, with the signal's reason on abort.
 */
export async function evaluateEnvironment({
  env,
  drain,
  abort,
  directory = env.config.data_dir_to_save_evals ?? env.services.runDirectory,
  ...options
}: RunSignals &
  Partial<Omit<RunEvaluationOptions, "signal" | "drain">> & { env: BaseEnv }): Promise<WrittenEvaluation> {
  passKOf(env.config);
  await using _cleanup = await startEnvironment(env, AbortSignal.any([drain, abort]), {
    purpose: "evaluate",
  });
  await proveWritable(directory);
  const written = await runEvaluation(env, { ...options, signal: abort, drain, directory });
  if (written !== null) return written;
  throw new LachesisError("EVALUATION_MISSING", `${env.name} has no evaluation.`);
}
