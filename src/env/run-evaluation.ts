import type { JsonObject } from "../contracts/chat.ts";
import { untilAborted } from "../contracts/until-aborted.ts";
import { type EvaluationPaths, writeEvaluation } from "../data/evaluation-files.ts";
import { EvaluationRecorder } from "../data/evaluation-recorder.ts";
import type { BaseEnv } from "./base-env.ts";
import type { EvaluateOptions, Evaluation } from "./evaluation.ts";
import { thrownBy } from "./own-code.ts";

export type WrittenEvaluation = { evaluation: Evaluation; paths: EvaluationPaths; seconds: number };

export type RunEvaluationOptions = Omit<EvaluateOptions, "recorder" | "scope"> & {
  directory: string;
  /** The run's configuration without secrets, by which `resume` knows the evaluation again; default: none. */
  recordedConfig?: JsonObject | undefined;
  /** How the environment is called by its user, for advice: a name, a path, or nothing where its file is the program. */
  calledAs?: string | undefined;
  /** Play only what the directory lacks. */
  resume?: boolean | undefined;
};

/**
 * Evaluates, with samples written into the directory as they finish, and metrics.json in the end; null when the
 * environment has no evaluation. Rejects with the signal's reason, or with what the evaluation threw.
 */
export async function runEvaluation(
  env: BaseEnv,
  { directory, recordedConfig, resume = false, calledAs = env.name, ...options }: RunEvaluationOptions,
): Promise<WrittenEvaluation | null> {
  const startedAt = performance.now();
  await using recorder = new EvaluationRecorder({
    directory,
    environment: env.name,
    model: env.services.modelName,
    config: recordedConfig ?? null,
    resume,
  });
  const evaluation = await untilAborted(env.evaluate({ ...options, recorder }), options.signal).catch(
    (error: unknown) => {
      if (recorder.hasSamples && recordedConfig !== undefined) {
        const command = calledAs === "" ? "evaluate" : `environment evaluate ${calledAs}`;
        const message = `What was played is saved: \`${command} --resume ${directory}\` plays the rest.`;
        env.services.events.emit("notice", { level: "info", message });
      }
      throw options.signal.aborted ? error : thrownBy("evaluate", env.name, error);
    },
  );
  await recorder.close();
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
