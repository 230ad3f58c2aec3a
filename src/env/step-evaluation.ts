/** Evaluates beside the training of `serve`, one evaluation at a time, and tells how many workers may train. */
import { join } from "node:path";
import type { BaseEnv } from "./base-env.ts";
import { runEvaluation } from "./run-evaluation.ts";

export class StepEvaluation {
  readonly #env: BaseEnv;
  readonly #signal: AbortSignal;
  readonly #onReport: (step: number, metrics: Readonly<Record<string, number>>) => Promise<void>;
  #running: Promise<void> | undefined;

  constructor(options: {
    env: BaseEnv;
    /** Ends a running evaluation. */
    signal: AbortSignal;
    onReport(step: number, metrics: Readonly<Record<string, number>>): Promise<void>;
  }) {
    this.#env = options.env;
    this.#signal = options.signal;
    this.#onReport = options.onReport;
  }

  /** Starts the evaluation of a step; while another one runs it is left out, with a notice. */
  start(step: number): void {
    const { events } = this.#env.services;
    if (this.#running !== undefined) {
      const message = `The evaluation at step ${step} is left out: the one before still runs.`;
      events.emit("notice", { level: "warn", message });
      return;
    }
    this.#running = this.#evaluate(step)
      .catch((error: unknown) => {
        if (this.#signal.aborted) return;
        const message = `The evaluation at step ${step} failed: ${error instanceof Error ? error.message : error}`;
        events.emit("notice", { level: "error", message });
        this.#env.services.logger.error({ step, err: error }, "evaluation-failed");
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** How many of the workers may train now, after `eval_handling`. */
  allowedWorkers(workers: number): number {
    if (this.#running === undefined) return workers;
    const { eval_handling: handling, eval_limit_ratio: ratio } = this.#env.config;
    switch (handling) {
      case "STOP_TRAIN":
        return 0;
      case "LIMIT_TRAIN":
        return Math.floor(workers * ratio);
      case "NONE":
        return workers;
      default:
        return handling satisfies never;
    }
  }

  /** Waits for the running evaluation, if any. Never rejects. */
  async settle(): Promise<void> {
    await this.#running;
  }

  async #evaluate(step: number): Promise<void> {
    const { config, services } = this.#env;
    const parent = config.data_dir_to_save_evals ?? join(services.runDirectory, "evaluations");
    const directory = join(parent, `step-${step}`);
    const written = await runEvaluation(this.#env, { signal: this.#signal, directory });
    if (written === null) return;
    await this.#onReport(step, written.evaluation.metrics);
  }
}
