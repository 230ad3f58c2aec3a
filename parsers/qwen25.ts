/** SGLang's readers of Hermes' format, which skip a bad block where vLLM loses all: `qwen25`, and `trinity`. */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { tryPythonJsonParse } from "../src/contracts/python-json.ts";
import { defineParser, type FoundCall, type FoundError, type VllmReading } from "./shared/define-parser.ts";
import { jsonCall } from "./shared/json-calls.ts";
import { itemSpans } from "./shared/json-lists.ts";
import { isOffered } from "./shared/offered-tools.ts";
import { pythonStrip } from "./shared/python-text.ts";
import { formatTagged, readTaggedStrictly, taggedBlocks } from "./shared/tagged-json.ts";

const tags = { start: "<tool_call>", end: "</tool_call>" };
/** SGLang wants the newlines too. */
const lines = { start: "<tool_call>\n", end: "\n</tool_call>" };
const shape = { argumentKeys: ["parameters", "arguments"], missingArguments: new Map() };

export const qwen25Parser = defineParser({
  name: "qwen25",
  models: "Qwen2.5, Qwen3 (SGLang)",
  stream: { markers: [tags.start], content: "trimmed" },
  readAsVllm: readAsSglang,
  readStrictly: (input) => readTaggedStrictly(input, tags, shape),
  format: (completion) => formatTagged(completion, tags),
});

export const trinityParser = defineParser({
  name: "trinity",
  models: "Arcee Trinity (SGLang)",
  stream: { markers: [tags.start, "<think>", "</think>"], content: "trimmed" },
  readAsVllm: readTrinity,
  readStrictly: (input) => readTaggedStrictly(input, tags, shape),
  format: (completion) => formatTagged(completion, tags),
});

function readAsSglang(text: string, tools: readonly ToolSchema[]): VllmReading {
  const first = text.indexOf(lines.start);
  if (first < 0) return { content: text, calls: [] };
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  for (const { body, raw, closed } of taggedBlocks(text, lines)) {
    if (!closed) continue;
    const read = tryPythonJsonParse(pythonStrip(text.slice(...body)));
    if (!read.ok) {
      errors.push({ reason: `The tool call is no valid JSON: ${read.message}.`, raw });
      continue;
    }
    const listed = Array.isArray(read.value) ? read.value : undefined;
    const spans = listed === undefined ? [raw] : itemSpans(text, body[0]);
    for (const [index, value] of (listed ?? [read.value]).entries()) {
      const call = jsonCall(value, shape);
      const span = spans[index] ?? raw;
      if (!call.ok) errors.push({ reason: call.reason, raw: span });
      else if (isOffered(tools, call.name))
        calls.push({ name: call.name, arguments: call.arguments, raw: span });
    }
  }
  return { content: pythonStrip(text.slice(0, first)) || null, calls, errors };
}

/** Thinking's tags are removed first; the places of what is left are mapped back. */
function readTrinity(text: string, tools: readonly ToolSchema[]): VllmReading {
  const kept: { from: number; at: number }[] = [];
  let left = "";
  let position = 0;
  for (const match of text.matchAll(/<\/?think>/g)) {
    kept.push({ from: position, at: left.length });
    left += text.slice(position, match.index);
    position = match.index + match[0].length;
  }
  kept.push({ from: position, at: left.length });
  left += text.slice(position);
  const original = (place: number): number => {
    let low = 0;
    let high = kept.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((kept[middle]?.at ?? 0) <= place) low = middle;
      else high = middle - 1;
    }
    const piece = kept[low] ?? { from: 0, at: 0 };
    return piece.from + (place - piece.at);
  };
  const reading = readAsSglang(left, tools);
  const back = <Found extends { raw: readonly [number, number] }>(found: Found): Found => ({
    ...found,
    raw: [original(found.raw[0]), original(found.raw[1] - 1) + 1],
  });
  return { ...reading, calls: reading.calls.map(back), errors: (reading.errors ?? []).map(back) };
}
