/** What `evaluate` comes to: numbers for metrics.json and one line per sample for samples.jsonl. */
import type { JsonObject } from "../contracts/chat.ts";

export type Evaluation = {
  /** Name of the task in metrics.json. Default: "<env name>_eval". */
  taskName?: string;
  metrics: Readonly<Record<string, number>>;
  samples: readonly JsonObject[];
  /** What the model was asked with, e.g. temperature; for the record. */
  generationParameters?: JsonObject;
};
