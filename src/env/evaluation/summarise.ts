/**
 * The numbers of an evaluation, out of nothing but its samples: what was played now, read back or scored again is
 * summed up alike.
 *
 * Every item weighs the same, however many of its samples have a score: its value is the mean over those. A sample
 * without a score (failure of the machinery, out of time) is in no mean, and counted in a column of its own; an item
 * that has no score at all is in `eval/items_without_score`, and one with fewer than k isn't in pass@k
 * (`eval/pass@k_items` says how many are).
 */

import type { JsonObject } from "../../contracts/chat.ts";
import { type SampleRecord, sampleRecord } from "../../data/evaluation-records.ts";
import { passAtK, passHatK } from "./estimators.ts";
import { type Interval, meanInterval, meanOf, shareInterval } from "./intervals.ts";
import { costOf, type Price } from "./prices.ts";

export type SummaryOptions = {
  items: number;
  samplesPerItem: number;
  passK: readonly number[];
  price?: Price | undefined;
};

/** Metrics under the names of metrics.json. */
export function summarise(
  samples: readonly JsonObject[],
  { items, samplesPerItem, passK, price }: SummaryOptions,
): Record<string, number> {
  const records = samples.map((sample) => sampleRecord.parse(sample));
  const scored = records.filter(isScored);
  const byItem = groupBy(scored, ({ item_id }) => item_id);
  const countOf = (outcome: SampleRecord["outcome"]) =>
    records.filter((record) => record.outcome === outcome).length;
  const owed = items * samplesPerItem;
  return {
    ...means(byItem),
    ...(samplesPerItem > 1 && passRates(byItem, passK)),
    ...(scored.length > 0 && { "eval/mean_turns": meanOf(scored.map(({ turns }) => turns)) }),
    "eval/items": items,
    ...(samplesPerItem > 1 && { "eval/samples_per_item": samplesPerItem }),
    "eval/scored": scored.length,
    "eval/infra_failed": countOf("infra-failed"),
    "eval/cancelled": countOf("cancelled"),
    "eval/not_played": owed - records.length,
    "eval/items_without_score": items - byItem.size,
    ...tokens(records, price),
    ...times(records),
    ...categories(records),
  };
}

type ScoredRecord = SampleRecord & { score: number };

function isScored(record: SampleRecord): record is ScoredRecord {
  return record.score !== null;
}

function means(byItem: ReadonlyMap<string, ScoredRecord[]>): Record<string, number> {
  const ofItems = (value: (record: ScoredRecord) => number) =>
    [...byItem.values()].map((records) => meanOf(records.map(value)));
  return {
    ...withInterval("eval/accuracy", shareInterval(ofItems(({ correct }) => (correct ? 1 : 0)))),
    ...withInterval("eval/mean_reward", meanInterval(ofItems(({ score }) => score))),
  };
}

function passRates(
  byItem: ReadonlyMap<string, ScoredRecord[]>,
  passK: readonly number[],
): Record<string, number> {
  const counts = [...byItem.values()].map((records) => ({
    samples: records.length,
    correct: records.filter(({ correct }) => correct).length,
  }));
  const rates = passK.flatMap((k) => {
    const enough = counts.filter(({ samples }) => samples >= k);
    return [
      withInterval(`eval/pass@${k}`, shareInterval(enough.map((count) => passAtK(count, k)))),
      withInterval(`eval/pass^${k}`, shareInterval(enough.map((count) => passHatK(count, k)))),
      { [`eval/pass@${k}_items`]: enough.length },
    ];
  });
  return Object.assign({}, ...rates);
}

function withInterval(name: string, interval: Interval | null): Record<string, number> {
  if (interval === null) return {};
  const { mean, stderr, low, high } = interval;
  return {
    [name]: mean,
    ...(stderr !== null && { [`${name}_stderr`]: stderr }),
    ...(low !== null && high !== null && { [`${name}_low`]: low, [`${name}_high`]: high }),
  };
}

/** Of everything played, failed attempts included: they were paid for, too. */
function tokens(records: readonly SampleRecord[], price: Price | undefined): Record<string, number> {
  const prompt = sum(records.map((record) => record.prompt_tokens));
  const completion = sum(records.map((record) => record.completion_tokens));
  const untold = sum(records.map((record) => record.untold_usage));
  return {
    "eval/prompt_tokens": prompt,
    "eval/completion_tokens": completion,
    ...(untold > 0 && { "eval/answers_without_usage": untold }),
    ...(price !== undefined && { "eval/cost": costOf({ prompt, completion }, price) }),
  };
}

const timingKeys = ["duration", "model", "tool", "sandbox", "reward"] as const;

/** Means over the samples that have times. */
function times(records: readonly SampleRecord[]): Record<string, number> {
  const timed = records.filter(({ timing }) => timing.duration_ms !== undefined);
  if (timed.length === 0) return {};
  return Object.fromEntries(
    timingKeys.map((key) => [
      `eval/${key}_seconds`,
      meanOf(timed.map(({ timing }) => (timing[`${key}_ms`] ?? 0) / 1000)),
    ]),
  );
}

function categories(records: readonly SampleRecord[]): Record<string, number> {
  const byCategory = groupBy(
    records.filter(({ category }) => category !== undefined),
    ({ category }) => category ?? "",
  );
  const parts = [...byCategory]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([category, ofCategory]) => {
      const scored = ofCategory.filter(isScored);
      const byItem = groupBy(scored, ({ item_id }) => item_id);
      const prefix = `eval/category/${category}`;
      return {
        ...Object.fromEntries(
          Object.entries(means(byItem)).map(([name, value]) => [name.replace("eval", prefix), value]),
        ),
        [`${prefix}/items`]: byItem.size,
        [`${prefix}/without_score`]: ofCategory.length - scored.length,
      };
    });
  return Object.assign({}, ...parts);
}

function groupBy<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [row]);
    else group.push(row);
  }
  return groups;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
