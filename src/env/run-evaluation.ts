import type { JsonObject } from "../contracts/chat.ts";
import { untilAborted } from "../contracts/until-aborted.ts";
import { type EvaluationPaths, writeEvaluation } from "../data/evaluation-files.ts";
import type { BaseEnv } from "./base-env.ts";
import type { EvaluateOptions, Evaluation } from "./evaluation.ts";

export type WrittenEvaluation = { evaluation: Evaluation; paths: EvaluationPaths; seconds: number };

/**
 * Evaluates and writes metrics.json and samples.jsonl into the directory; null when the environment has no
 * evaluation. Rejects with the signal's reason, or with what the evaluation threw.
 */
export async function runEvaluation(
  env: BaseEnv,
  { directory, ...options }: EvaluateOptions & { directory: string },
): Promise<WrittenEvaluation | null> {
  const startedAt = performance.now();
  const evaluation = await untilAborted(env.evaluate(options), options.signal);
  if (evaluation === null) return null;
  const seconds = (performance.now() - startedAt) / 1000;
  const generationParameters: JsonObject = {
    max_new_tokens: env.config.max_token_length,
    ...evaluation.generationParameters,
  };
  const paths = await writeEvaluation(directory, {
    taskName: evaluation.taskName ?? `${env.name}_eval`,
    modelName: env.services.modelName,
    totalSeconds: seconds,
    generationParameters,
    metrics: evaluation.metrics,
    samples: evaluation.samples,
  });
  return { evaluation, paths, seconds };
}
