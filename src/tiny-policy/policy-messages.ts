/** What a policy engine and its threads tell each other. */
import type { BatcherStatistics, FinishedJob, SampleJob } from "./sequence-batcher.ts";
import type { PolicyWeights } from "./weights-file.ts";

export type PolicyWorkerData = {
  weights: PolicyWeights;
  slots: number;
  /** As `loadTokenizer` knows it. */
  tokenizer: string;
};

export type PolicyRequest =
  | { kind: "sample"; job: SampleJob }
  | { kind: "cancel"; job: number }
  | { kind: "weights"; ticket: number; weights: Float32Array; version: number }
  | { kind: "pause"; ticket: number }
  | { kind: "resume" };

export type PolicyReply =
  | { kind: "ready"; vocabularySize: number }
  | { kind: "finished"; jobs: FinishedJob[]; statistics: ThreadStatistics }
  | { kind: "done"; ticket: number };

/** Of one thread, since its start. */
export type ThreadStatistics = BatcherStatistics & {
  /** Time spent reading and sampling, milliseconds. */
  busyMs: number;
};
