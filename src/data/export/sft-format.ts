/** Token sequences with their labels: what was really sampled, and nothing that a template would have to guess again. */
import { LachesisError } from "../../contracts/errors.ts";
import { sampleFacts } from "../group-samples.ts";
import { type ExportFormat, factColumns } from "./export-format.ts";

export const sftFormat: ExportFormat = {
  name: "sft",
  description: "token ids with labels (-100 = not trained), one line per sequence",
  columns: {
    input_ids: { list: "int32" },
    labels: { list: "int32" },
    logprobs: { list: "double" },
    sequence: "int32",
    ...factColumns,
  },
  lines: (sampled) => {
    const { group, where } = sampled;
    if (group.group_overrides?.placeholder_tokens === true) {
      throw new LachesisError(
        "EXPORT_IMPOSSIBLE",
        `${where}: its tokens only stand in for the text (the model server gave none): there is nothing for sft.`,
        {
          hint: "Use a server that gives token ids (openai.server_type vllm, sglang, …), or the format openai.",
        },
      );
    }
    return sampled.samples.flatMap((sample) =>
      sample.sequences.map((sequence, place) => ({
        input_ids: group.tokens[sequence] ?? [],
        labels: group.masks[sequence] ?? [],
        ...(group.inference_logprobs !== null && { logprobs: group.inference_logprobs[sequence] ?? [] }),
        sequence: place,
        ...sampleFacts(sampled, sample),
      })),
    );
  },
};
