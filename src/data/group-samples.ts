/**
 * A saved group as its samples: one per rollout, with its conversation, its score and its token sequences.
 * Where a group tells nothing of rollouts (Atropos' files), each sequence is one.
 */
import type { JsonObject } from "../contracts/chat.ts";
import type { SavedGroup, SavedMessage, SavedProvenance, SavedRollout, SavedTool } from "./saved-group.ts";

export type Sample = {
  /** Its place among the group's samples. */
  index: number;
  score: number;
  /** Null where the group holds no conversations. */
  messages: readonly SavedMessage[] | null;
  /** Indices of its sequences in the group. */
  sequences: readonly number[];
  rollout: SavedRollout | null;
};

/** A group, or what a filter left of it. */
export type SampledGroup = {
  group: SavedGroup;
  /** In words for people: the file and line, or the run's group. */
  where: string;
  samples: readonly Sample[];
};

export function samplesOf(group: SavedGroup): Sample[] {
  const { messages, scores, provenance } = group;
  const rollouts = provenance?.rollouts ?? null;
  if (rollouts === null) {
    return scores.map((score, index) => ({
      index,
      score,
      messages: messages?.[index] ?? null,
      sequences: [index],
      rollout: null,
    }));
  }
  return rollouts.map((rollout, index) => {
    const { first, count } = rollout.sequences;
    const sequences = Array.from({ length: count }, (_, offset) => first + offset);
    return {
      index,
      score: scores[first] ?? rollout.reward,
      // The last sequence is the rollout's own, and holds all that was said.
      messages: rollout.messages ?? messages?.[first + count - 1] ?? null,
      sequences,
      rollout,
    };
  });
}

/** What every format's line says about a sample besides its text: nothing of it can be had from the text. */
export function sampleFacts({ group, samples }: SampledGroup, sample: Sample): JsonObject {
  const { provenance } = group;
  return {
    reward: sample.score,
    ...(provenance === undefined
      ? {}
      : {
          group_id: provenance.group_id,
          env: provenance.env,
          item: provenance.item,
          item_digest: provenance.item_digest,
        }),
    ...(sample.rollout === null
      ? {}
      : {
          rollout_id: sample.rollout.rollout_id,
          seed: sample.rollout.seed,
          stop: sample.rollout.stop,
          turns: sample.rollout.turns,
          tool_errors: sample.rollout.tool_errors,
        }),
    group_size: samples.length,
    sampling: samplingOf(group),
  };
}

export function toolsOf({ provenance }: SavedGroup): readonly SavedTool[] | null {
  return provenance?.tools ?? null;
}

export function samplingOf({ provenance, generation_params: params }: SavedGroup): JsonObject | null {
  return provenance?.sampling ?? params;
}

/** What groups of the same item have in common: the item, or else what it was put to the model as. */
export function itemKey(group: SavedGroup, samples: readonly Sample[]): string {
  const known: SavedProvenance | undefined = group.provenance;
  if (known !== undefined) return known.item_digest;
  const [first] = samples;
  if (first?.messages) return JSON.stringify(promptOf(first.messages));
  const start = (group.masks[0] ?? []).findIndex((mask) => mask !== -100);
  return JSON.stringify((group.tokens[0] ?? []).slice(0, Math.max(0, start)));
}

/** The messages before the model's first. */
export function promptOf(messages: readonly SavedMessage[]): readonly SavedMessage[] {
  const first = messages.findIndex(({ role }) => role === "assistant");
  return first === -1 ? messages : messages.slice(0, first);
}

/** A message's text: parts of text are joined, others are left out. */
export function textOf({ content }: SavedMessage): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part: unknown) => {
      if (typeof part === "string") return part;
      const text = typeof part === "object" && part !== null && "text" in part ? part.text : "";
      return typeof text === "string" ? text : "";
    })
    .join("");
}

/** What the model thought, where the server told it apart. */
export function reasoningOf({ reasoning_content, reasoning, reasoning_details }: SavedMessage): string {
  return reasoning_content || reasoning || reasoning_details?.find(({ text }) => text)?.text || "";
}

/** The model's own text of a call's arguments; some files hold them as an object. */
export function argumentsOf(call: NonNullable<SavedMessage["tool_calls"]>[number]): string {
  const { arguments: given } = call.function;
  return typeof given === "string" ? given : JSON.stringify(given ?? {});
}
