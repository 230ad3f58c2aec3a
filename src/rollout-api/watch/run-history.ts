/** What the page shows of a run: a bounded memory of what happened, by section so that only news is sent. */
import type { RunOverview } from "../group-store.ts";
import type { ExampleSequence } from "./example-text.ts";
import { Ring } from "./ring.ts";
import type { BatchServed, RunEvent } from "./run-events.ts";
import { type ScoreHistogram, scoreHistogram } from "./score-histogram.ts";
import { type SeriesPoint, TimeSeries } from "./time-series.ts";

export type BatchLine = {
  /** When it was served, milliseconds since 1970. */
  time: number;
  step: number;
  groups: number;
  sequences: number;
  /** null = its groups have no scores. */
  meanScore: number | null;
  /** Of its oldest group. */
  ageMs: number;
  /** Of its stalest group, in steps. */
  staleness: number;
};

export type Example = {
  id: number;
  time: number;
  /** The run's step about when it came; null = not known yet. */
  step: number | null;
  env: string | null;
  /** Sequences in the whole group. */
  size: number;
  sequences: readonly ExampleSequence[];
};

/** One message to a page: the sections that have news, or a point that goes on `series`. */
export type RunView = {
  runs?: readonly string[];
  overview?: RunOverview & { time: number };
  series?: readonly SeriesPoint[];
  point?: SeriesPoint;
  scores?: ScoreHistogram | null;
  batches?: readonly BatchLine[];
  examples?: readonly Example[];
};

const SERIES_POINTS = 720;
const SERIES_INTERVAL_MS = 1000;
const SCORES_KEPT = 4096;
const BATCHES_KEPT = 8;
const EXAMPLES_KEPT = 6;

export class RunHistory {
  readonly #clock: { now(): number };
  readonly #series = new TimeSeries({ capacity: SERIES_POINTS, intervalMs: SERIES_INTERVAL_MS });
  readonly #scores = new Ring<number>(SCORES_KEPT);
  readonly #batches = new Ring<BatchLine>(BATCHES_KEPT);
  readonly #examples = new Ring<Example>(EXAMPLES_KEPT);
  #overview: RunView["overview"];
  #examplesSeen = 0;
  /** Grows with every piece of news; who has seen it all up to one number gets what is newer. */
  #version = 0;
  readonly #changedAt = { scores: 0, batches: 0, examples: 0, overview: 0 };

  constructor({ clock }: { clock: { now(): number } }) {
    this.#clock = clock;
  }

  get version(): number {
    return this.#version;
  }

  add(event: RunEvent): void {
    if (event.kind === "batch-served") {
      this.#batches.push(lineOf(event.batch, this.#clock.now()));
      this.#changedAt.batches = ++this.#version;
    }
    if (event.kind !== "groups-received") return;
    for (const { env, sequences, scores, text } of event.groups) {
      for (const score of scores) this.#scores.push(score);
      if (scores.length > 0) this.#changedAt.scores = ++this.#version;
      if (text === null) continue;
      const id = ++this.#examplesSeen;
      const step = this.#overview?.currentStep ?? null;
      this.#examples.push({ id, time: this.#clock.now(), step, env, size: sequences, sequences: text });
      this.#changedAt.examples = ++this.#version;
    }
  }

  /** Notes how the run stands now. */
  sample(overview: RunOverview): void {
    const time = this.#clock.now();
    this.#overview = { ...overview, time };
    this.#series.add([time, overview.queuedGroups, overview.currentStep]);
    this.#changedAt.overview = ++this.#version;
  }

  /** Everything there is to show. */
  whole(): RunView {
    return {
      ...(this.#overview && { overview: this.#overview }),
      series: this.#series.points(),
      scores: scoreHistogram(this.#scores.toArray()),
      batches: this.#batches.toArray(),
      examples: this.#examples.toArray(),
    };
  }

  /** The sections that changed after `version`. */
  since(version: number): RunView {
    const { scores, batches, examples, overview } = this.#changedAt;
    const point = this.#series.points().at(-1);
    return {
      ...(overview > version && this.#overview && { overview: this.#overview }),
      ...(overview > version && point && { point }),
      ...(scores > version && { scores: scoreHistogram(this.#scores.toArray()) }),
      ...(batches > version && { batches: this.#batches.toArray() }),
      ...(examples > version && { examples: this.#examples.toArray() }),
    };
  }
}

function lineOf({ step, groups, scores }: BatchServed, time: number): BatchLine {
  return {
    time,
    step,
    groups: groups.length,
    sequences: groups.reduce((sum, { sequences }) => sum + sequences, 0),
    meanScore: meanOf(scores),
    ageMs: groups.reduce((oldest, { ageMs }) => Math.max(oldest, ageMs), 0),
    staleness: groups.reduce((stalest, { staleness }) => Math.max(stalest, staleness.steps), 0),
  };
}

/** null = there are none. */
export function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
