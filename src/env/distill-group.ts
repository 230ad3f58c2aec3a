/**
 * A teacher's log-probabilities for the sequences of a group. The teacher is given the very ids that the student was
 * given and sampled, and its choices stand where the group's masks say that the student sampled: nothing is searched
 * for, decoded or tokenised again.
 */
import type { ScoredGroup } from "../contracts/scored-group.ts";
import type { TeacherModel, TeacherPlace } from "../contracts/teacher-model.ts";
import { masked, notSampled } from "../tokens/trained-tokens.ts";

export const distillTargets = ["top", "sampled"] as const;

export type DistillSettings = {
  teacher: TeacherModel;
  /** top: the teacher's k likeliest ids. sampled: the id that the student sampled, k = 1. */
  targets: (typeof distillTargets)[number];
  k: number;
  signal: AbortSignal;
};

/** What a place without a teacher holds, k times over: no id, and no log-probability, which is never above 0. */
export const noTeacher = { id: masked, logprob: notSampled } as const;

export type DistilledGroup = {
  group: ScoredGroup;
  /** Places that have a teacher. */
  places: number;
  /** Mean of log p(student) − log p(teacher) of what was sampled: the reverse KL divergence, estimated. Null where no logprobs are. */
  reverseKl: number | null;
};

/** Rejects as `TeacherModel.score` does. */
export async function distillGroup(group: ScoredGroup, settings: DistillSettings): Promise<DistilledGroup> {
  const { teacher, targets, k, signal } = settings;
  const top = targets === "top" ? k : 0;
  const scored = await Promise.all(group.tokens.map((ids) => teacher.score(ids, { top, signal })));
  const rows = scored.map((places, sequence) =>
    places.map((place, position) => {
      const isSampled = (group.masks[sequence]?.[position] ?? masked) !== masked;
      if (!isSampled || place === null) return empty(targets === "top" ? k : 1);
      if (targets === "top") return place;
      return { ids: [group.tokens[sequence]?.[position] ?? masked], logprobs: [place.own] };
    }),
  );
  return {
    group: {
      ...group,
      distill_token_ids: rows.map((places) => places.map(({ ids }) => ids)),
      distill_logprobs: rows.map((places) => places.map(({ logprobs }) => logprobs)),
      group_overrides: {
        ...group.group_overrides,
        distill: { teacher: teacher.modelName, targets, k: targets === "top" ? k : 1 },
      },
    },
    ...compare(group, scored),
  };
}

const empty = (k: number): Pick<TeacherPlace, "ids" | "logprobs"> => ({
  ids: Array.from({ length: k }, () => noTeacher.id),
  logprobs: Array.from({ length: k }, () => noTeacher.logprob),
});

function compare(
  { masks, inference_logprobs: own }: ScoredGroup,
  scored: readonly (TeacherPlace | null)[][],
) {
  let places = 0;
  let sum = 0;
  for (const [sequence, row] of scored.entries()) {
    for (const [position, place] of row.entries()) {
      if (place === null || (masks[sequence]?.[position] ?? masked) === masked) continue;
      places += 1;
      sum += (own?.[sequence]?.[position] ?? 0) - place.own;
    }
  }
  return { places, reverseKl: own === null || places === 0 ? null : sum / places };
}
