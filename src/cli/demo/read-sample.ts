/** One rollout of a group as people read it: what was said, and every token with how likely it was. */
import type { ScoredGroup } from "../../contracts/scored-group.ts";
import type { Tokenizer } from "../../tokens/tokenizer.ts";
import { masked } from "../../trainer/sequence-checks.ts";
import { versionsOf } from "../../trainer/weight-versions.ts";
import { type DemoSample, readConversation } from "./demo-state.ts";

/** Null for a group without messages. */
export function readSample(
  group: ScoredGroup,
  index: number,
  tokenizer: Pick<Tokenizer, "decode">,
): DemoSample | null {
  const conversation = group.messages?.[index];
  const ids = group.tokens[index];
  if (conversation === undefined || ids === undefined) return null;
  const versionAt = versionsOf(group, index);
  const versions = ids.flatMap((_, position) => versionAt?.(position) ?? []);
  return {
    ...readConversation(conversation),
    step: versions.at(-1) ?? 0,
    score: group.scores[index] ?? 0,
    tokens: ids.map((id, position) => ({
      text: tokenizer.decode([id]),
      logprob:
        group.masks[index]?.[position] === masked
          ? null
          : (group.inference_logprobs?.[index]?.[position] ?? null),
    })),
  };
}
