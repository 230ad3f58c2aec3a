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

export type EvaluateOptions = {
  /** Ends the evaluation at once. */
  signal: AbortSignal;
  /** Starts no more items; what is in flight is finished and reported. */
  drain?: AbortSignal;
};
