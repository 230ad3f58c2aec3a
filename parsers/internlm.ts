/** InternLM 2.5's plugin calls, one in a text for vLLM, and Intern-S1's, of which SGLang reads several. */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { rawDecode, skipWhitespace, tryPythonJsonParse } from "../src/contracts/python-json.ts";
import {
  type DefinedParser,
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { afterContent, callValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { jsonCall } from "./shared/json-calls.ts";
import { isOffered } from "./shared/offered-tools.ts";
import { pythonStrip } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { taggedBlocks } from "./shared/tagged-json.ts";
import { isInside } from "./shared/thinking-spans.ts";

const end = "<|action_end|>";
const action = "<|action_start|>";
const shape = { argumentKeys: ["parameters", "arguments"], missingArguments: new Map() };

export const internlmParser = internlmLike({
  name: "internlm",
  models: "InternLM 2.5",
  start: `${action}<|plugin|>`,
  limits: ["More than one call: vLLM raises an error, so that the text is content."],
  content: "verbatim",
  readAsVllm: readInternlmAsVllm,
});

export const internS1Parser = internlmLike({
  name: "interns1",
  models: "Intern-S1 (SGLang)",
  start: `${action} <|plugin|>`,
  content: "trimmed",
  readAsVllm: readInternS1AsSglang,
});

type InternlmLike = {
  name: string;
  models: string;
  start: string;
  limits?: readonly string[];
  content: "verbatim" | "trimmed";
  readAsVllm: (text: string, tools: readonly ToolSchema[]) => VllmReading;
};

function internlmLike({ start, content: rule, ...about }: InternlmLike): DefinedParser {
  return defineParser({
    ...about,
    stream: { markers: [start, action], content: rule },
    readStrictly,
    format: ({ content, toolCalls }) => {
      const calls = toolCalls.map((call) => {
        const json = dumpJsonWithout(callValue(call, ["name", "parameters"]), [start, action, end]);
        return `${start}\n${json}${end}`;
      });
      return afterContent(content, calls.join("\n"));
    },
  });
}

function readInternlmAsVllm(text: string): VllmReading {
  const marker = `${action}<|plugin|>`;
  const start = text.indexOf(marker);
  if (start < 0) return { content: text, calls: [] };
  const fail = (reason: string): VllmReading => ({
    content: text,
    calls: [],
    errors: [{ reason, raw: [start, text.length] }],
  });
  const bodyStart = start + marker.length;
  if (text.includes(marker, bodyStart)) return fail("Only one tool call at a time can be read.");
  const bodyEnd = text.indexOf(end, bodyStart);
  const body = text.slice(bodyStart, bodyEnd < 0 ? text.length : bodyEnd);
  const brace = body.indexOf("{");
  const read = tryPythonJsonParse(brace < 0 ? body.slice(-1) : body.slice(brace));
  if (!read.ok) return fail(`The tool call is no valid JSON: ${read.message}.`);
  const call = jsonCall(read.value, shape);
  if (!call.ok) return fail(call.reason);
  const raw: Span = [start, bodyEnd < 0 ? text.length : bodyEnd + end.length];
  return {
    content: text.slice(0, start) || null,
    calls: [{ name: call.name, arguments: call.arguments, raw }],
  };
}

/** SGLang skips what it cannot read, and what was not offered. */
function readInternS1AsSglang(text: string, tools: readonly ToolSchema[]): VllmReading {
  const start = `${action} <|plugin|>`;
  const first = text.indexOf(start);
  if (first < 0) return { content: text, calls: [] };
  const calls: FoundCall[] = [];
  for (const { body, raw, closed } of taggedBlocks(text, { start, end })) {
    const read = closed ? tryPythonJsonParse(pythonStrip(text.slice(...body))) : undefined;
    if (!read?.ok) continue;
    const call = jsonCall(read.value, shape);
    if (!call.ok || !isOffered(tools, call.name)) continue;
    calls.push({ name: call.name, arguments: call.arguments, raw });
  }
  return { content: pythonStrip(text.slice(0, first)) || null, calls };
}

function readStrictly({ text, thinking }: StrictInput): StrictReading {
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  const scanner = new TagScanner(text, [action, end]);
  let position = 0;
  for (let tag = scanner.next(0, [action]); tag !== undefined; tag = scanner.next(position, [action])) {
    position = tag.end;
    const plugin = skipWhitespace(text, tag.end);
    if (!text.startsWith("<|plugin|>", plugin) || isInside(thinking, tag.start)) continue;
    const decoded = rawDecode(text, skipWhitespace(text, plugin + "<|plugin|>".length));
    const next = scanner.next(decoded.ok ? decoded.end : plugin);
    const stop = next === undefined ? text.length : next.tag === end ? next.end : next.start;
    if (!decoded.ok) {
      const reason = `The tool call is no valid JSON: ${decoded.message}.`;
      errors.push({ reason, raw: [tag.start, stop] });
      position = stop;
      continue;
    }
    const closed = next?.tag === end && skipWhitespace(text, decoded.end) === next.start;
    const raw: Span = [tag.start, closed ? next.end : decoded.end];
    position = raw[1];
    const call = jsonCall(decoded.value, { ...shape, objectsOnly: true });
    if (call.ok) calls.push({ name: call.name, arguments: call.arguments, raw });
    else errors.push({ reason: call.reason, raw });
  }
  return { calls, errors };
}
