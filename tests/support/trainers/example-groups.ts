/**
 * Groups for the trainers' golden tests, drawn as one letter per token:
 *
 *     p  prompt, the same in all sequences        q  prompt of this sequence only
 *     s  sampled, of this sequence only           S  sampled, the same in all sequences
 *     t  a tool's result, of this sequence only
 */
import type { ScoredGroup } from "../../../src/contracts/scored-group.ts";

export type DrawnGroup = {
  sequences: readonly string[];
  scores: readonly number[];
  fields?: Partial<ScoredGroup>;
};

const FIRST_ID = { p: 100, S: 200, q: 1000, s: 2000, t: 3000 } as const;
const OWN_IDS = 10_000;

export function isSampled(letter: string | undefined): boolean {
  return letter === "s" || letter === "S";
}

/** The group as an environment sends it. */
export function drawGroup({ sequences, scores, fields = {} }: DrawnGroup): ScoredGroup {
  const tokens = sequences.map((letters, index) =>
    [...letters].map((letter, position) => tokenId(letter, index, position)),
  );
  const logprobs = sequences.map((letters, index) =>
    [...letters].map((letter, position) => (isSampled(letter) ? -(index + 1) / (position + 8) : 1)),
  );
  return {
    tokens,
    masks: tokens.map((row, index) => row.map((id, at) => (isSampled(sequences[index]?.[at]) ? id : -100))),
    scores: [...scores],
    advantages: null,
    ref_logprobs: null,
    messages: null,
    generation_params: null,
    inference_logprobs: logprobs,
    overrides: null,
    group_overrides: null,
    images: null,
    env_id: null,
    distill_token_ids: null,
    distill_logprobs: null,
    ...fields,
  };
}

function tokenId(letter: string, sequence: number, position: number): number {
  switch (letter) {
    case "p":
    case "S":
      return FIRST_ID[letter] + position;
    case "q":
    case "s":
    case "t":
      return FIRST_ID[letter] + position + (sequence + 1) * OWN_IDS;
    default:
      throw new Error(`no such token: "${letter}"`);
  }
}
