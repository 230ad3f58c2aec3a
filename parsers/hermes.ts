/**
 * Hermes' format, which Qwen took over, and LongCat's, which differs in the tags only: one JSON object between
 * `<tool_call>` and `</tool_call>` for each call. vLLM loses every call of a text when one block is bad.
 */

import {
  type DefinedParser,
  defineParser,
  type FoundCall,
  type VllmReading,
} from "./shared/define-parser.ts";
import { readJsonCall } from "./shared/json-calls.ts";
import type { JsonTags } from "./shared/tagged-json.ts";
import { formatTagged, readTaggedStrictly, taggedBlocks } from "./shared/tagged-json.ts";

export const hermesParser = hermesLike({
  name: "hermes",
  aliases: ["qwen"],
  models: "Nous Hermes 2 and 3, Qwen2.5, QwQ, Qwen3 (dense and MoE)",
  tags: { start: "<tool_call>", end: "</tool_call>" },
});

export const longcatParser = hermesLike({
  name: "longcat",
  models: "LongCat-Flash",
  tags: { start: "<longcat_tool_call>", end: "</longcat_tool_call>" },
});

type HermesLike = { name: string; aliases?: readonly string[]; models: string; tags: JsonTags };

function hermesLike({ tags, ...about }: HermesLike): DefinedParser {
  return defineParser({
    ...about,
    stream: { markers: [tags.start], content: "verbatim" },
    readAsVllm: (text) => readAsVllm(text, tags),
    readStrictly: (input) => readTaggedStrictly(input, tags),
    format: (completion) => formatTagged(completion, tags),
  });
}

function readAsVllm(text: string, tags: JsonTags): VllmReading {
  const calls: FoundCall[] = [];
  for (const { body, raw } of taggedBlocks(text, tags)) {
    const call = readJsonCall(text.slice(...body), {});
    if (!call.ok) return { content: text, calls: [], errors: [{ reason: call.reason, raw }] };
    calls.push({ name: call.name, arguments: call.arguments, raw });
  }
  const [first] = calls;
  if (first === undefined) return { content: text, calls };
  return { content: text.slice(0, first.raw[0]) || null, calls };
}
