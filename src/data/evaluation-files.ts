/**
 * What `evaluate` leaves behind, in the layout of Atropos so that its readers keep working: `metrics.json`
 * with the results of the task, and `samples.jsonl` with one line per sample.
 */
import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { JsonObject } from "../contracts/chat.ts";
import { unwritable } from "./jsonl-file.ts";
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
 * Writes both files into the directory, which is made; earlier ones are replaced, each at once. metrics.json comes
 * last, so whoever finds it finds all samples. Rejects with OUTPUT_UNWRITABLE.
 */
export async function writeEvaluation(
  directory: string,
  { taskName, modelName, totalSeconds, generationParameters, metrics, samples }: EvaluationRecord,
): Promise<EvaluationPaths> {
  let samplesPath: string | null = null;
  if (samples.length > 0) {
    samplesPath = join(directory, "samples.jsonl");
    await replaceFile(
      samplesPath,
      (async function* () {
        for (const sample of samples) yield `${JSON.stringify(sample)}\n`;
      })(),
    );
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
 * Makes the directory and proves that files can be written there, before any work is done for them. What an
 * earlier evaluation left stays. Rejects with OUTPUT_UNWRITABLE.
 */
export async function proveWritable(directory: string): Promise<void> {
  const probe = join(directory, `.${randomUUID()}.part`);
  try {
    await makeDirectory(directory);
    await using _handle = await open(probe, "wx");
    await rm(probe);
  } catch (error) {
    throw unwritable(directory, error);
  }
}

/** Writes a file so that whoever finds it finds all of it. Rejects with OUTPUT_UNWRITABLE. */
export async function replaceFile(path: string, content: string | AsyncIterable<string>): Promise<void> {
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
