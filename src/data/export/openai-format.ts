/** Conversations as the chat API takes them: messages and tools. What else is known stands under `metadata`. */
import { sampleFacts, toolsOf } from "../group-samples.ts";
import { asJson, type ExportFormat, messageColumn, requireMessages } from "./export-format.ts";

export const openaiFormat: ExportFormat = {
  name: "openai",
  description: "conversations in OpenAI's form, with tools",
  columns: { messages: { list: messageColumn }, tools: "json", metadata: "json" },
  lines: (sampled) =>
    sampled.samples.map((sample) => {
      const tools = toolsOf(sampled.group);
      return {
        messages: asJson(requireMessages(sample, sampled)),
        ...(tools !== null && tools.length > 0 && { tools: asJson(tools) }),
        metadata: sampleFacts(sampled, sample),
      };
    }),
};
