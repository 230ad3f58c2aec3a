/**
 * Two evaluations of the same items, item by item: the difference of each pair, its mean and 95 % interval
 * (intervals.ts). Pairing takes out what makes items easy or hard, so that small differences show.
 */
import type { JsonObject } from "../../contracts/chat.ts";
import { LachesisError } from "../../contracts/errors.ts";
import { type SampleRecord, type SavedEvaluation, sampleRecord } from "../../data/evaluation-records.ts";
import { type ItemCount, passAtK, passHatK } from "./estimators.ts";
import { type Interval, meanInterval, meanOf, shareInterval } from "./intervals.ts";

export type CompareOptions = {
  /** accuracy, reward, pass@k, pass^k, turns, prompt_tokens or completion_tokens. */
  metric: string;
  /** Compare what both have instead of refusing. */
  commonItems: boolean;
};

export type ItemDifference = { item_id: string; a: number; b: number; difference: number };

export type Comparison = {
  metric: string;
  a: Interval;
  b: Interval;
  /** B − A, of pairs. */
  difference: Interval;
  counts: { compared: number; higher: number; lower: number; same: number };
  /** Items that can't be paired. */
  leftOut: { onlyInA: number; onlyInB: number; changed: number; withoutScore: number };
  /** The items whose values differ, the largest difference first. */
  differing: ItemDifference[];
};

/** Throws EVALUATION_DIFFERS where the items aren't the same, or none can be compared; USAGE_INVALID for the metric. */
export function compareEvaluations(
  a: SavedEvaluation,
  b: SavedEvaluation,
  { metric, commonItems }: CompareOptions,
): Comparison {
  const valueFor = metricOf(metric);
  const digests = new Map(b.items.map(({ item_id, digest }) => [item_id, digest]));
  const shared = a.items.filter(({ item_id }) => digests.has(item_id));
  const same = shared.filter(({ item_id, digest }) => digests.get(item_id) === digest);
  const leftOut = {
    onlyInA: a.items.length - shared.length,
    onlyInB: b.items.length - shared.length,
    changed: shared.length - same.length,
  };
  const environments = [...new Set([a.header.environment, b.header.environment])];
  if (!commonItems) requireSameItems({ leftOut, environments });

  const [samplesOfA, samplesOfB] = [samplesByItem(a.samples), samplesByItem(b.samples)];
  const differences = same.flatMap(({ item_id }): ItemDifference[] => {
    const [valueA, valueB] = [
      valueFor(samplesOfA.get(item_id) ?? []),
      valueFor(samplesOfB.get(item_id) ?? []),
    ];
    return valueA === null || valueB === null
      ? []
      : [{ item_id, a: valueA, b: valueB, difference: valueB - valueA }];
  });
  const intervalOf = /^(accuracy|pass)/.test(metric) ? shareInterval : meanInterval;
  const intervals = {
    a: intervalOf(differences.map((pair) => pair.a)),
    b: intervalOf(differences.map((pair) => pair.b)),
    difference: meanInterval(differences.map(({ difference }) => difference)),
  };
  if (intervals.a === null || intervals.b === null || intervals.difference === null) {
    throw new LachesisError(
      "EVALUATION_DIFFERS",
      `No item has the ${metric} in both evaluations: there is nothing to compare.`,
      {
        hint: `Samples per item: ${a.header.samples_per_item} in the first, ${b.header.samples_per_item} in the second.`,
      },
    );
  }
  const differing = differences.filter(({ difference }) => difference !== 0);
  const higher = differing.filter(({ difference }) => difference > 0).length;
  return {
    metric,
    a: intervals.a,
    b: intervals.b,
    difference: intervals.difference,
    counts: {
      compared: differences.length,
      higher,
      lower: differing.length - higher,
      same: differences.length - differing.length,
    },
    leftOut: { ...leftOut, withoutScore: same.length - differences.length },
    differing: differing.sort((x, y) => Math.abs(y.difference) - Math.abs(x.difference)),
  };
}

function requireSameItems({
  leftOut: { onlyInA, onlyInB, changed },
  environments,
}: {
  leftOut: Omit<Comparison["leftOut"], "withoutScore">;
  environments: string[];
}): void {
  const problems = [
    ...(environments.length > 1 ? [`they are of the environments ${environments.join(" and ")}`] : []),
    ...(onlyInA > 0 ? [`${onlyInA} only in the first`] : []),
    ...(onlyInB > 0 ? [`${onlyInB} only in the second`] : []),
    ...(changed > 0 ? [`${changed} with the same id and another content`] : []),
  ];
  if (problems.length === 0) return;
  throw new LachesisError(
    "EVALUATION_DIFFERS",
    `The two evaluations aren't of the same items: ${problems.join(", ")}.`,
    { hint: "--common-items compares the items that both have." },
  );
}

/** The value of an item's scored samples; null where there are too few. */
type ItemValue = (scored: readonly SampleRecord[]) => number | null;

function metricOf(name: string): ItemValue {
  const mean = (value: (sample: SampleRecord) => number): ItemValue => {
    return (scored) => (scored.length === 0 ? null : meanOf(scored.map(value)));
  };
  const pass = (k: number, estimate: (count: ItemCount, k: number) => number): ItemValue => {
    return (scored) => {
      const count = { samples: scored.length, correct: scored.filter(({ correct }) => correct).length };
      return scored.length < k ? null : estimate(count, k);
    };
  };
  const [, sign, k] = /^pass([@^])([1-9]\d*)$/.exec(name) ?? [];
  if (sign !== undefined) return pass(Number(k), sign === "@" ? passAtK : passHatK);
  switch (name) {
    case "accuracy":
      return mean(({ correct }) => (correct ? 1 : 0));
    case "reward":
      return mean(({ score }) => score ?? 0);
    case "turns":
    case "prompt_tokens":
    case "completion_tokens":
      return mean((sample) => sample[name]);
    default:
      throw new LachesisError("USAGE_INVALID", `--metric ${name}: there is no such metric.`, {
        hint: "Use accuracy, reward, pass@k, pass^k, turns, prompt_tokens or completion_tokens.",
      });
  }
}

function samplesByItem(samples: readonly JsonObject[]): Map<string, SampleRecord[]> {
  const byItem = new Map<string, SampleRecord[]>();
  for (const sample of samples) {
    const record = sampleRecord.parse(sample);
    if (record.score === null) continue;
    const before = byItem.get(record.item_id);
    if (before === undefined) byItem.set(record.item_id, [record]);
    else before.push(record);
  }
  return byItem;
}
