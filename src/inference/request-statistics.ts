/** Wall times and attempt counts of one server's latest requests, per split, over a bounded window. */
import type { Split } from "../contracts/chat.ts";

type Sample = { durationMs: number; attempts: number };

class RollingWindow {
  readonly #capacity: number;
  readonly #samples: Sample[] = [];
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  push(sample: Sample): void {
    this.#samples[this.#next] = sample;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }
}

export class RequestStatistics {
  readonly #windows: Record<Split, RollingWindow>;

  constructor(capacity: number) {
    this.#windows = { train: new RollingWindow(capacity), eval: new RollingWindow(capacity) };
  }

  /** `durationMs` runs from the first attempt's start to the answer, retries included. */
  record(split: Split, sample: Sample): void {
    this.#windows[split].push(sample);
  }

  /** Atropos' names (seconds), each prefixed; names of a split without requests are left out. */
  metrics(prefix: string): Record<string, number> {
    const metrics: Record<string, number> = {};
    const train = this.#windows.train.samples;
    const evaluation = this.#windows.eval.samples;
    if (train.length > 0) {
      Object.assign(metrics, timeMetrics(`${prefix}request_time`, train));
      metrics[`${prefix}average_num_attempts`] = mean(train.map(({ attempts }) => attempts));
    }
    if (evaluation.length > 0) {
      Object.assign(metrics, timeMetrics(`${prefix}eval_request_time`, evaluation));
      metrics[`${prefix}eval_retry_rate`] = mean(evaluation.map(({ attempts }) => (attempts > 1 ? 1 : 0)));
    }
    return metrics;
  }
}

function timeMetrics(name: string, samples: readonly Sample[]): Record<string, number> {
  const seconds = samples.map(({ durationMs }) => durationMs / 1000).sort((a, b) => a - b);
  const average = mean(seconds);
  return {
    [`${name}_avg`]: average,
    [`${name}_std`]: Math.sqrt(mean(seconds.map((value) => (value - average) ** 2))),
    [`${name}_99p`]: percentile(seconds, 0.99),
  };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Linear interpolation between the two nearest ranks of an ascending list. */
function percentile(ascending: readonly number[], share: number): number {
  const rank = (ascending.length - 1) * share;
  const below = ascending[Math.floor(rank)] ?? 0;
  const above = ascending[Math.ceil(rank)] ?? below;
  return below + (above - below) * (rank - Math.floor(rank));
}
