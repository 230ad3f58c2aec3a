/**
 * The lines of Atropos' sft and dpo tools, made of one group. Where the text is split is known from the masks: the
 * completion begins with the first token that is trained on. So an empty prefix, or one that comes again later,
 * splits as well as any other.
 */
import type { JsonObject, JsonValue } from "../../contracts/chat.ts";
import { LachesisError } from "../../contracts/errors.ts";
import type { ScoredGroup } from "../../contracts/scored-group.ts";
import { asJson } from "../../data/export/export-format.ts";
import { preferencePairs } from "../../data/preference-pairs.ts";

export type ExampleRules = {
  /** Sequences, or pairs, of a group at most. */
  perGroup: number;
  allowNegativeScores: boolean;
  minGap: number;
  /** Null: write conversations. */
  decode: ((tokens: readonly number[]) => string) | null;
  seed: number;
};

type Scored = { index: number; score: number };

/** `{prefix, completion, score}` or `{messages, score}`, the best first. Throws EXPORT_IMPOSSIBLE. */
export function sftLines(group: ScoredGroup, rules: ExampleRules): JsonObject[] {
  const sorted = scoredSequences(group).sort((a, b) => b.score - a.score);
  const least = Math.min(...group.scores);
  return sorted
    .filter(({ score }) => rules.allowNegativeScores || score > 0)
    .filter(({ score }) => rules.minGap === 0 || score - least > rules.minGap)
    .slice(0, rules.perGroup)
    .map(
      ({ index, score }): JsonObject =>
        rules.decode === null
          ? { messages: messagesOf(group, index), score }
          : { ...textsOf(group, index, rules.decode), score },
    );
}

/** `{prefix, pos, score, neg}` or `{pos, score, neg}` with conversations. Throws EXPORT_IMPOSSIBLE. */
export function dpoLines(group: ScoredGroup, rules: ExampleRules): JsonObject[] {
  const { perGroup: pairs, minGap, decode, seed } = rules;
  return preferencePairs(scoredSequences(group), { pairs, minGap, seed })
    .filter(({ chosen }) => rules.allowNegativeScores || chosen.score > 0)
    .map(({ chosen, rejected }): JsonObject => {
      const { score } = chosen;
      if (decode === null) {
        return { pos: messagesOf(group, chosen.index), score, neg: messagesOf(group, rejected.index) };
      }
      const { prefix, completion } = textsOf(group, chosen.index, decode);
      return { prefix, pos: completion, score, neg: textsOf(group, rejected.index, decode).completion };
    });
}

function scoredSequences({ scores }: ScoredGroup): Scored[] {
  return scores.map((score, index) => ({ index, score }));
}

function messagesOf({ messages }: ScoredGroup, index: number): JsonValue {
  const found = messages?.[index];
  if (found !== undefined) return asJson(found);
  throw new LachesisError("EXPORT_IMPOSSIBLE", "A group came without messages.", {
    hint: "Start the environment with --env.include_messages true, or leave --save-messages out.",
  });
}

function textsOf(
  { tokens, masks, group_overrides: overrides }: ScoredGroup,
  index: number,
  decode: NonNullable<ExampleRules["decode"]>,
): { prefix: string; completion: string } {
  if (overrides?.placeholder_tokens === true) {
    throw new LachesisError("EXPORT_IMPOSSIBLE", "A group's tokens only stand in for its text.", {
      hint: "Write conversations (--save-messages), or play on servers that give token ids.",
    });
  }
  const sequence = tokens[index] ?? [];
  const first = (masks[index] ?? []).findIndex((mask) => mask !== -100);
  const start = first === -1 ? sequence.length : first;
  const prefix = decode(sequence.slice(0, start));
  const whole = decode(sequence);
  // Where a character is made of bytes on both sides, the parts don't add up to the whole: then each is as it reads.
  const completion = whole.startsWith(prefix) ? whole.slice(prefix.length) : decode(sequence.slice(start));
  return { prefix, completion };
}
