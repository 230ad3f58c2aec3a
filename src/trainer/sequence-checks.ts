/**
 * Checks of what an environment sent. Each of them is a bug that trains wrongly in silence: masks shifted against
 * the tokens, results of tools trained as if the model had said them, log-probabilities that are missing.
 */
import { LachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import type { VersionAt } from "./weight-versions.ts";

export type SequencePlace = { group: number; sequence: number };

/** Stands in a mask where the position is not trained. */
export const masked = -100;
/** Stands in `inference_logprobs` where nothing was sampled. */
const notSampled = 1;
/** Servers that can't say -infinity say -9999: no sampled token is that unlikely. */
const impossible = -1000;
/** Log-probabilities of certain tokens may be rounded to a little above 0. */
const rounding = 1e-3;

/** Throws TRAINING_GROUP_INVALID unless all lists of the group are as long as they must be. */
export function requireShape(group: ScoredGroup, index: number): void {
  const { tokens, masks, scores, inference_logprobs: logprobs, advantages, overrides } = group;
  const fail = (what: string) => invalid({ group: index }, what);
  if (tokens.length === 0) throw fail("it has no sequences");
  if (logprobs === null || logprobs === undefined) {
    throw fail("inference_logprobs is null: without the policy that sampled there is no importance ratio");
  }
  const lists = { masks, scores, inference_logprobs: logprobs, advantages, overrides };
  for (const [name, list] of Object.entries(lists)) {
    if (list != null && list.length !== tokens.length) {
      throw fail(`${tokens.length} sequences of tokens, but ${list.length} of ${name}`);
    }
  }
  for (const [sequence, ids] of tokens.entries()) {
    for (const [name, list] of Object.entries({ masks, inference_logprobs: logprobs, advantages })) {
      const length = list?.[sequence]?.length;
      if (list != null && length !== ids.length) {
        throw invalid({ group: index, sequence }, `${ids.length} tokens, but ${length ?? "no"} ${name}`);
      }
    }
    if (!Number.isFinite(scores[sequence]))
      throw invalid({ group: index, sequence }, `score ${scores[sequence]}`);
  }
}

/**
 * The positions to train, ascending; the first token is left out, since nothing predicts it. Throws
 * TRAINING_GROUP_INVALID at the first position whose mask, token, log-probability, advantage or version is wrong.
 */
export function requirePositions(
  group: ScoredGroup,
  place: SequencePlace,
  { vocabularySize, versions }: { vocabularySize: number; versions: VersionAt | null },
): number[] {
  const { sequence } = place;
  const masks = group.masks[sequence] ?? [];
  const logprobs = group.inference_logprobs?.[sequence] ?? [];
  const advantages = group.advantages?.[sequence];
  const trained: number[] = [];
  for (const [position, token] of (group.tokens[sequence] ?? []).entries()) {
    const at = { ...place, position };
    if (!Number.isInteger(token) || token < 0 || token >= vocabularySize) {
      throw invalid(at, `token ${token}, the model has ids from 0 to ${vocabularySize - 1}`);
    }
    const mask = masks[position];
    if (mask === masked) continue;
    if (mask !== token) {
      throw invalid(
        at,
        `mask ${mask}, expected the position's own token ${token} or ${masked}; masks stand at the token that ` +
          "they train, not one before or behind it",
      );
    }
    const logprob = logprobs[position] ?? Number.NaN;
    if (logprob === notSampled || (versions !== null && versions(position) === null)) {
      throw invalid(
        at,
        "trained, but the model never sampled it: is it of the prompt or of a tool's result?",
      );
    }
    if (!(logprob <= rounding && logprob > impossible)) {
      throw invalid(at, `log-probability ${logprob} of a token that was sampled`);
    }
    if (advantages !== undefined && !Number.isFinite(advantages[position])) {
      throw invalid(at, `advantage ${advantages[position]}`);
    }
    if (position > 0) trained.push(position);
  }
  return trained;
}

function invalid(
  { group, sequence, position }: { group: number; sequence?: number; position?: number },
  what: string,
): LachesisError {
  const where = [
    `group ${group}`,
    ...(sequence === undefined ? [] : [`sequence ${sequence}`]),
    ...(position === undefined ? [] : [`position ${position}`]),
  ];
  return new LachesisError("TRAINING_GROUP_INVALID", `${where.join(", ")}: ${what}`);
}
