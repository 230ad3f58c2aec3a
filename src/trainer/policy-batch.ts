/** All groups of a batch together: what is trained, what was left out and why, and how stale it is. */
import { LachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import { type BatchCounts, type BatchRules, type PolicySequence, readGroup } from "./batch.ts";

export type PolicyBatch = BatchCounts & {
  sequences: PolicySequence[];
  groups: number;
  /** Mean score of all sequences, those that teach nothing included; null of an empty batch. */
  reward: number | null;
  invalidGroups: number;
  /** What was wrong with the first of them. */
  firstProblem: string | null;
  stalenessMean: number | null;
  stalenessMax: number | null;
};

/** Throws as `readGroup` does, unless invalid groups are to be dropped and counted. */
export function readPolicyBatch(
  groups: readonly ScoredGroup[],
  { onInvalid, ...rules }: BatchRules & { onInvalid: "stop" | "drop" },
): PolicyBatch {
  const sequences: PolicySequence[] = [];
  const counts: BatchCounts = {
    equalScoreGroups: 0,
    tooLongSequences: 0,
    staleSequences: 0,
    untrainedSequences: 0,
  };
  let invalidGroups = 0;
  let firstProblem: string | null = null;
  for (const [index, group] of groups.entries()) {
    try {
      const read = readGroup(group, index, rules);
      sequences.push(...read.sequences);
      counts.equalScoreGroups += read.equalScoreGroups;
      counts.tooLongSequences += read.tooLongSequences;
      counts.staleSequences += read.staleSequences;
      counts.untrainedSequences += read.untrainedSequences;
    } catch (error) {
      if (onInvalid === "stop" || !(error instanceof LachesisError)) throw error;
      invalidGroups += 1;
      firstProblem ??= error.message;
    }
  }
  const scores = groups.flatMap((group) => group.scores);
  return {
    ...counts,
    ...stalenessOf(sequences, rules.step),
    sequences,
    groups: groups.length,
    reward: mean(scores),
    invalidGroups,
    firstProblem,
  };
}

function stalenessOf(sequences: readonly PolicySequence[], step: number) {
  const known = sequences.flatMap(({ versions }) =>
    versions === null ? [] : [step - Math.min(...versions)],
  );
  return { stalenessMean: mean(known), stalenessMax: known.length === 0 ? null : Math.max(...known) };
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
