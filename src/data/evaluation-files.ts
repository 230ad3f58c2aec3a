/**
 * What `evaluate` leaves behind, in the layout of Atropos so that its readers keep working: `metrics.json`
 * with the results of the task, and `samples.jsonl` with one line per sample.
 */

import { open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { JsonObject } from "../contracts/chat.ts";
import { JsonlFile, unwritable } from "./jsonl-file.ts";
import { makeDirectory } from "./make-directory.ts";

export type EvaluationRecord = {
  /** e.g. "gsm8k-agent_eval". */
  taskName: string;
  modelName: string;
  totalSeconds: number;
  /** What the model was asked with, e.g. `{ max_new_tokens: 2048, temperature: 0 }`. */
  generationParameters: JsonObject;
  metrics: Readonly<Record<string, number>>;
  samples: readonly JsonObject[];
};

export type EvaluationPaths = {
  metrics: string;
  /** null when there were no samples, and no file. */
  samples: string | null;
};

/**
 * Writes both files into the directory, which is made; earlier ones are replaced. metrics.json comes last
 * and at once, so whoever finds it finds all samples. Rejects with OUTPUT_UNWRITABLE.
 */
export async function writeEvaluation(
  directory: string,
  { taskName, modelName, totalSeconds, generationParameters, metrics, samples }: EvaluationRecord,
): Promise<EvaluationPaths> {
  let samplesPath: string | null = null;
  if (samples.length > 0) {
    await using file = await openSamples(directory);
    for (const sample of samples) await file.append(sample);
    samplesPath = file.path;
  }
  const metricsPath = join(directory, "metrics.json");
  const content = {
    config_general: {
      model_name: modelName,
      total_evaluation_time_seconds: String(totalSeconds),
      generation_parameters: generationParameters,
    },
    results: { [`atropos|${taskName}|0`]: metrics, all: metrics },
  };
  await replaceFile(metricsPath, `${JSON.stringify(content, null, 2)}\n`);
  return { metrics: metricsPath, samples: samplesPath };
}

/**
 * An empty `samples.jsonl` to append to while samples finish, which also proves before any work that the
 * directory can be written. Rejects with OUTPUT_UNWRITABLE.
 */
export function openSamples(directory: string): Promise<JsonlFile> {
  return JsonlFile.overwrite(join(directory, "samples.jsonl"));
}

async function replaceFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.part`;
  try {
    await makeDirectory(dirname(path));
    {
      await using handle = await open(temporary, "w");
      await handle.writeFile(content);
      await handle.sync();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw unwritable(path, error);
  }
}
