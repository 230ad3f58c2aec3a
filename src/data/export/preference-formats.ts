/**
 * `dpo`: a better and a worse way on from the same prompt. `preference`: all ways on of a group with their
 * scores, the best first. The prompt is what comes before the model's first message.
 */
import type { JsonObject } from "../../contracts/chat.ts";
import { byScore } from "../group-filter.ts";
import { promptOf, type Sample, type SampledGroup, sampleFacts, toolsOf } from "../group-samples.ts";
import { preferencePairs } from "../preference-pairs.ts";
import { asJson, type ExportFormat, messageColumn, requireMessages } from "./export-format.ts";

export const dpoFormat: ExportFormat = {
  name: "dpo",
  description: "pairs: prompt, chosen and rejected",
  columns: {
    prompt: { list: messageColumn },
    chosen: { list: messageColumn },
    rejected: { list: messageColumn },
    tools: "json",
    score_chosen: "double",
    score_rejected: "double",
    metadata: "json",
  },
  lines: (sampled, { pairs, minGap, seed }) =>
    preferencePairs(alike(sampled), { pairs, minGap, seed: seed + seedOf(sampled) }).map(
      ({ chosen, rejected }) => ({
        prompt: asJson(promptOf(requireMessages(chosen, sampled))),
        chosen: completion(chosen, sampled),
        rejected: completion(rejected, sampled),
        ...tools(sampled),
        score_chosen: chosen.score,
        score_rejected: rejected.score,
        metadata: { chosen: sampleFacts(sampled, chosen), rejected: sampleFacts(sampled, rejected) },
      }),
    ),
};

export const preferenceFormat: ExportFormat = {
  name: "preference",
  description: "sets: a prompt and all its completions with their scores, the best first",
  columns: {
    prompt: { list: messageColumn },
    completions: {
      list: { struct: { messages: { list: messageColumn }, score: "double", metadata: "json" } },
    },
    tools: "json",
  },
  lines: (sampled) => {
    const samples = byScore(alike(sampled));
    const [best] = samples;
    if (best === undefined || samples.length < 2) return [];
    return [
      {
        prompt: asJson(promptOf(requireMessages(best, sampled))),
        completions: samples.map((sample) => ({
          messages: completion(sample, sampled),
          score: sample.score,
          metadata: sampleFacts(sampled, sample),
        })),
        ...tools(sampled),
      },
    ];
  },
};

/** Samples that start from the first one's prompt and go on; one that doesn't can't be compared. */
function alike(sampled: SampledGroup): Sample[] {
  const promptText = (sample: Sample) => JSON.stringify(promptOf(requireMessages(sample, sampled)));
  const [first] = sampled.samples;
  if (first === undefined) return [];
  const prompt = promptText(first);
  return sampled.samples.filter(
    (sample) =>
      promptText(sample) === prompt &&
      (sample.messages?.length ?? 0) > promptOf(sample.messages ?? []).length,
  );
}

function completion(sample: Sample, sampled: SampledGroup) {
  const messages = requireMessages(sample, sampled);
  return asJson(messages.slice(promptOf(messages).length));
}

function tools({ group }: SampledGroup): JsonObject {
  const offered = toolsOf(group);
  return offered === null || offered.length === 0 ? {} : { tools: asJson(offered) };
}

/** Groups draw differently, each always the same. */
function seedOf({ group }: SampledGroup): number {
  return group.provenance?.item_number ?? group.tokens[0]?.length ?? 0;
}
