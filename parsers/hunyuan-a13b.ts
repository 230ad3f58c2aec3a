/** Hunyuan A13B's format: Jamba's tags, but not inside thinking, and the first block that is valid JSON counts. */
import { tryPythonJsonParse } from "../src/contracts/python-json.ts";
import { defineParser, type VllmReading } from "./shared/define-parser.ts";
import { formatList, itemReader, itemSpans, readListsStrictly } from "./shared/json-lists.ts";
import { badEntry, listedCalls } from "./shared/listed-calls.ts";
import { isBlank, pythonStrip } from "./shared/python-text.ts";
import { taggedBlocks } from "./shared/tagged-json.ts";
import { isInside } from "./shared/thinking-spans.ts";

const tags = { start: "<tool_calls>", end: "</tool_calls>" };
/** Of the chat template; the model repeats it. */
const assistantWord = "助手：";

export const hunyuanA13bParser = defineParser({
  name: "hunyuan_a13b",
  models: "Hunyuan A13B",
  stream: { markers: [tags.start, assistantWord], content: "trimmed" },
  readAsVllm,
  readStrictly: (input) => readListsStrictly(input, tags, itemReader({})),
  format: (completion) => formatList(completion, tags),
});

function readAsVllm(text: string): VllmReading {
  const thoughts = taggedBlocks(text, { start: "<think>", end: "</think>" })
    .filter(({ closed }) => closed)
    .map(({ raw }) => raw);
  for (const { body, raw, closed } of taggedBlocks(text, tags)) {
    if (!closed || isInside(thoughts, raw[0])) continue;
    const read = tryPythonJsonParse(pythonStrip(text.slice(...body)));
    if (!read.ok) continue;
    if (!Array.isArray(read.value)) return { content: text.slice(0, raw[0]) || text, calls: [] };
    const calls = listedCalls(read.value, itemSpans(text, body[0]));
    if (calls === undefined) return { content: text, calls: [], errors: [{ reason: badEntry, raw }] };
    const content = text.slice(0, raw[0]);
    return { content: isBlank(content) ? null : content, calls };
  }
  return { content: text.replace(assistantWord, ""), calls: [] };
}
