/** Groups as a store gets them, with what watchers look for in them. */
import { type EncodedGroup, groupFields } from "../../src/rollout-api/group-fields.ts";

export type GroupContents = {
  envId?: number | null;
  scores?: readonly number[];
  messages?: unknown;
  weightVersion?: number;
};

/** One sequence a score. */
export function scoredGroup({
  envId = 0,
  scores = [0, 1, 1, 0],
  messages,
  weightVersion,
}: GroupContents = {}): EncodedGroup {
  const contents: Record<string, unknown> = {
    tokens: scores.map(() => [1, 2]),
    masks: scores.map(() => [-100, 2]),
    scores,
    messages,
    group_overrides: weightVersion === undefined ? undefined : { weight_version: weightVersion },
    env_id: envId,
  };
  const texts = groupFields.map(({ name }) => `"${name}":${JSON.stringify(contents[name] ?? null)}`);
  const body = Buffer.from(`{${texts.join(",")}}`);
  return { body, sequences: scores.length, envId, groupId: null, hasLogprobs: false };
}

/** One short conversation a sequence. */
export function conversations(...answers: readonly string[]): unknown {
  return answers.map((content) => [
    { role: "user", content: "What is 1 + 1?" },
    { role: "assistant", content },
  ]);
}
