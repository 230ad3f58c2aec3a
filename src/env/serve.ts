/**
 * The `serve` verb: feeds a trainer through the rollout server until its steps are done.
 *
 * Each round asks the server for its queue, and starts as many groups as the queue has room for; what is in
 * flight is left to finish. Draining starts nothing more, finishes and sends what is in flight; aborting
 * cancels it, and keeps what is finished but unsent in the dead-letter file. Either way the environment signs
 * off at the server.
 */
import { join } from "node:path";
import { LachesisError } from "../contracts/errors.ts";
import { GroupFile } from "../data/group-file.ts";
import { JsonlFile } from "../data/jsonl-file.ts";
import { RolloutApiClient } from "../rollout-api/client.ts";
import type { EnvStatus } from "../rollout-api/client-schemas.ts";
import { RunMetrics } from "../telemetry/metrics.ts";
import type { BaseEnv } from "./base-env.ts";
import { Cancellation } from "./cancellation.ts";
import { Checkpoints } from "./checkpoints.ts";
import { GroupWorkers } from "./group-workers.ts";
import { Outbox } from "./outbox.ts";
import { passedMultiple } from "./passed-multiple.ts";
import { RolloutServerSession } from "./rollout-server-session.ts";
import { type RunSignals, startEnvironment } from "./start-environment.ts";
import { StepEvaluation } from "./step-evaluation.ts";
import { Wakeup } from "./wakeup.ts";
import { maxWorkers, workerTarget } from "./worker-target.ts";

export type ServeOptions = RunSignals & {
  env: BaseEnv;
  /** Time between two questions for the server's state. Default 250. */
  pollIntervalMs?: number;
};

export type ServeSummary = {
  groupsSent: number;
  /** The training step at the end. */
  step: number;
  /** Groups that could not be sent, kept in a file; null = none. */
  deadLetters: { path: string; groups: number } | null;
  endedBy: "complete" | "drained" | "aborted";
};
