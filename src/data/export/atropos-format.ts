/** Groups as they were saved, with the samples that a filter kept. */
import type { JsonObject } from "../../contracts/chat.ts";
import type { SampledGroup } from "../group-samples.ts";
import { asJson, type ExportFormat } from "./export-format.ts";

/** Fields that have one entry per sequence; the others belong to the group. */
const perSequence = [
  "tokens",
  "masks",
  "scores",
  "advantages",
  "ref_logprobs",
  "messages",
  "inference_logprobs",
  "overrides",
  "images",
  "distill_token_ids",
  "distill_logprobs",
];

export const atroposFormat: ExportFormat = {
  name: "atropos",
  description: "scored groups, as trainers take them",
  columns: {
    tokens: { list: { list: "int32" } },
    masks: { list: { list: "int32" } },
    scores: { list: "double" },
    advantages: { list: { list: "double" } },
    ref_logprobs: { list: { list: "double" } },
    messages: "json",
    generation_params: "json",
    inference_logprobs: { list: { list: "double" } },
    overrides: "json",
    group_overrides: "json",
    images: "json",
    env_id: "int32",
    distill_token_ids: { list: { list: { list: "int32" } } },
    distill_logprobs: { list: { list: { list: "double" } } },
    provenance: "json",
  },
  lines: (sampled) => [asLine(withSamples(sampled))],
};

function asLine(group: unknown): JsonObject {
  const line = asJson(group);
  return typeof line === "object" && line !== null && !Array.isArray(line) ? line : {};
}

function withSamples({ group, samples }: SampledGroup): unknown {
  const kept = samples.flatMap(({ sequences }) => sequences);
  const size = group.tokens.length;
  if (kept.length === size && kept.every((sequence, index) => sequence === index)) return group;
  const shortened: Record<string, unknown> = { ...group };
  for (const key of perSequence) {
    const column = shortened[key];
    if (Array.isArray(column) && column.length === size) shortened[key] = kept.map((index) => column[index]);
  }
  shortened.group_overrides = { ...group.group_overrides, group_size: kept.length };
  const { provenance } = group;
  if (provenance?.rollouts) {
    let first = 0;
    const rollouts = samples.flatMap(({ rollout, sequences }) => {
      if (rollout === null) return [];
      const moved = { ...rollout, sequences: { first, count: sequences.length } };
      first += sequences.length;
      return [moved];
    });
    shortened.provenance = { ...provenance, rollouts };
  }
  return shortened;
}
