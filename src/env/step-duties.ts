/** What `serve` owes to the trainer's steps: evaluations, checkpoints, metrics, its share of the servers. */
import { join } from "node:path";
import { JsonlFile } from "../data/jsonl-file.ts";
import type { EnvStatus } from "../rollout-api/client-schemas.ts";
import { RunMetrics } from "../telemetry/metrics.ts";
import type { BaseEnv } from "./base-env.ts";
import { Checkpoints } from "./checkpoints.ts";
import { passedMultiple } from "./passed-multiple.ts";
import type { RolloutServerSession } from "./rollout-server-session.ts";
import { StepEvaluation } from "./step-evaluation.ts";

export type StepDutiesOptions = {
  env: BaseEnv;
  session: RolloutServerSession;
  /** Ends a running evaluation. */
  stop: AbortSignal;
  groupsSent(): number;
};

/** The least share of the inference servers; weights of 0 would stop an environment for good. */
const LEAST_WEIGHT = 0.01;

export class StepDuties implements AsyncDisposable {
  readonly #options: StepDutiesOptions;
  readonly #metrics: RunMetrics;
  readonly #evaluation: StepEvaluation;
  #metricsFile: Promise<JsonlFile> | undefined;
  #step: number;
  #sentAtLastLog = 0;

  constructor(options: StepDutiesOptions) {
    const { env, session, stop } = options;
    this.#options = options;
    this.#step = session.registration.starting_step;
    this.#metrics = new RunMetrics({ events: env.services.events });
    this.#evaluation = new StepEvaluation({
      env,
      signal: stop,
      onReport: (step, metrics) => this.#log(step, metrics),
    });
  }

  get step(): number {
    return this.#step;
  }

  /** How many of the workers may train now. */
  allowedWorkers(workers: number): number {
    return this.#evaluation.allowedWorkers(workers);
  }

  /** Gives the environment the state it had at the step that the run goes on from. */
  async restore(): Promise<void> {
    const { env } = this.#options;
    if (this.#step <= 0) return;
    const checkpoint = await this.#checkpoints().load(this.#step);
    if (checkpoint === null) return;
    await env.restoreState(checkpoint.state);
    const message = `The environment goes on from its checkpoint of step ${checkpoint.step}.`;
    env.services.events.emit("notice", { level: "info", message });
  }

  /** Takes up the server's word; does what the steps since the last word ask for. */
  async onStatus(status: EnvStatus): Promise<void> {
    const { env, session } = this.#options;
    const { events, servers, backend } = env.services;
    events.emit("server-status", { step: status.current_step, queueSize: status.queue_size });
    if (env.config.inference_weight !== -1) {
      servers.setWeight?.(Math.min(1, Math.max(LEAST_WEIGHT, status.env_weight)));
    }
    const previous = this.#step;
    if (status.current_step === previous) return;
    this.#step = status.current_step;

    const evaluateAt = passedMultiple(previous, this.#step, env.config.steps_per_eval);
    if (evaluateAt !== null) this.#evaluation.start(evaluateAt);
    const saveAt = passedMultiple(previous, this.#step, session.registration.checkpoint_interval);
    if (saveAt !== null) await this.#saveCheckpoint(saveAt);
    const sent = this.#options.groupsSent();
    const enough = sent - this.#sentAtLastLog >= env.config.min_items_sent_before_logging;
    if (!enough) return;
    this.#sentAtLastLog = sent;
    await this.#log(this.#step, {
      ...this.#metrics.take(),
      ...env.takeMetrics(),
      ...servers.metrics?.(),
      ...backend.metrics?.(),
    });
  }

  /** Waits for a running evaluation. */
  async settle(): Promise<void> {
    await this.#evaluation.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settle();
    this.#metrics[Symbol.dispose]();
    const file = await this.#metricsFile?.catch(() => undefined);
    await file?.close();
  }

  async #log(step: number, metrics: Readonly<Record<string, number>>): Promise<void> {
    // The promise is kept, not the file: a step and an evaluation may both be the first to log.
    this.#metricsFile ??= JsonlFile.overwrite(join(this.#options.env.services.runDirectory, "metrics.jsonl"));
    const file = await this.#metricsFile;
    await file.append({ step, time: new Date().toISOString(), ...metrics });
  }

  /** A checkpoint that can't be written is told; it does not end the run. */
  async #saveCheckpoint(step: number): Promise<void> {
    const { env } = this.#options;
    const state = env.checkpointState();
    if (state === null) return;
    try {
      await this.#checkpoints().save(step, state);
    } catch (error) {
      const message = `No checkpoint of the environment at step ${step}: ${error instanceof Error ? error.message : error}`;
      env.services.events.emit("notice", { level: "error", message });
    }
  }

  #checkpoints(): Checkpoints {
    const { checkpoint_dir: checkpointDir, wandb_name: name } = this.#options.session.registration;
    return new Checkpoints({ checkpointDir, name });
  }
}
