/** What `evaluate` comes to: numbers for metrics.json and one line per sample for samples.jsonl. */
import type { JsonObject } from "../contracts/chat.ts";
import type { BegunEvaluation } from "../data/evaluation-recorder.ts";
import type { EvaluationItem } from "../data/evaluation-records.ts";
import type { ItemSelection } from "./evaluation/choose-items.ts";
import type { Price } from "./evaluation/prices.ts";

export type Evaluation = {
  /** Name of the task in metrics.json. Default: "<env name>_eval". */
  taskName?: string;
  metrics: Readonly<Record<string, number>>;
  samples: readonly JsonObject[];
  /** What the model was asked with, e.g. temperature; for the record. */
  generationParameters?: JsonObject;
};

/** Takes samples as they finish, and gives those of an earlier attempt at the same evaluation. */
export interface SampleRecorder {
  begin(
    header: BegunEvaluation,
    items: readonly EvaluationItem[],
    options?: { scope?: string | undefined },
  ): Promise<ReadonlyMap<string, JsonObject>>;
  add(sample: JsonObject): Promise<void>;
}

/** Environments pass all of it on to `evaluateItems`. */
export type EvaluateOptions = {
  /** Ends the evaluation at once. */
  signal: AbortSignal;
  /** Starts no more items; what is in flight is finished and reported. */
  drain?: AbortSignal;
  /** Which of the items; default: all. */
  selection?: ItemSelection | undefined;
  /** Default: samples are kept in memory alone. */
  recorder?: SampleRecorder | undefined;
  /** What the model's tokens cost; default: unknown. */
  price?: Price | undefined;
  /** Stands before the item ids, for who evaluates in parts with one recorder, e.g. "algebra/". */
  scope?: string | undefined;
};
