/**
 * Calls as a list in Python: `[get_weather(city='Paris'), now()]`. vLLM reads them only if the whole text is the list,
 * and all or none. Llama 4 may put the list between `<|python_start|>` and `<|python_end|>`.
 */
import type {
  FormattableCompletion,
  ParseContext,
  ParsedCompletion,
} from "../src/contracts/tool-call-parser.ts";
import { looksLikeCallList } from "./shared/call-list-guard.ts";
import { defineParser, type Span, type StrictInput, type VllmReading } from "./shared/define-parser.ts";
import { holdBackStream } from "./shared/hold-back-stream.ts";
import { PiecedText } from "./shared/pieced-text.ts";
import { plainTextStream } from "./shared/plain-text-stream.ts";
import { findCallLists, readCallListAsVllm, type StrictCalls } from "./shared/pythonic-calls.ts";
import { formatPythonicCall } from "./shared/pythonic-values.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { isInside } from "./shared/thinking-spans.ts";

const start = "<|python_start|>";
const end = "<|python_end|>";

const limits = [
  "Text beside the calls: vLLM reads the list only if it is all there is, so content is not written next to calls.",
  "Negative numbers in vLLM mode: Python has no literal for them, and vLLM then reads no call at all.",
  "Tool names and argument names that are no Python names; NaN.",
];

export const pythonicParser = defineParser({
  name: "pythonic",
  models: "Llama 3.2, ToolACE",
  limits,
  createStream: (context, parse) => createStream(context, parse, ["["]),
  readAsVllm: (text) => readAsVllm(text),
  readStrictly: (input) => findCallLists(input),
  format: (completion) => formatList(completion, []),
});

export const llama4PythonicParser = defineParser({
  name: "llama4_pythonic",
  models: "Llama 4 (Scout, Maverick)",
  limits,
  createStream: (context, parse) => createStream(context, parse, ["[", start], [end]),
  readAsVllm: readLlama4AsVllm,
  readStrictly: readLlama4Strictly,
  format: (completion) =>
    completion.toolCalls.length === 0
      ? (completion.content ?? "")
      : `${start}${formatList(completion, [start, end])}${end}`,
});

function readAsVllm(text: string): VllmReading {
  if (!looksLikeCallList(text)) return { content: text, calls: [] };
  const list = readCallListAsVllm(text);
  if (list.ok) return { content: null, calls: list.calls };
  return { content: text, calls: [], errors: [{ reason: list.reason, raw: [0, text.length] }] };
}

/** A leading start token takes every end token with it; what is left is a list or content. */
function readLlama4AsVllm(text: string): VllmReading {
  if (!text.startsWith(start)) return readAsVllm(text);
  const left = new PiecedText();
  let position = start.length;
  for (const piece of text.slice(start.length).split(end)) {
    left.add(piece, position);
    position += piece.length + end.length;
  }
  const reading = readAsVllm(left.text);
  return {
    content: reading.content,
    calls: reading.calls.map((call) => ({ ...call, raw: left.original(call.raw) })),
    errors: (reading.errors ?? []).map(({ reason }) => ({ reason, raw: [0, text.length] })),
  };
}

/** The tokens are markup, and a list after a start token is meant as calls. */
function readLlama4Strictly(input: StrictInput): StrictCalls {
  const { text, thinking } = input;
  const tokens: Span[] = [];
  const scanner = new TagScanner(text, [start, end]);
  for (let token = scanner.next(0); token !== undefined; token = scanner.next(token.end)) {
    if (!isInside(thinking, token.start)) tokens.push([token.start, token.end]);
  }
  // An answer that begins with a token begins, for what follows it, after the token: as after thinking.
  const skipped = [...thinking, ...tokens].toSorted((a, b) => a[0] - b[0]);
  const reading = findCallLists({ ...input, thinking: skipped });
  const callSpans = reading.calls.map(({ raw }) => raw);
  for (const token of tokens) if (!isInside(callSpans, token[0])) reading.markup.push(token);
  return reading;
}

function formatList({ content, toolCalls }: FormattableCompletion, tags: readonly string[]): string {
  if (toolCalls.length === 0) return content ?? "";
  return `[${toolCalls.map((call) => formatPythonicCall(call, tags)).join(", ")}]`;
}

function createStream(
  { mode }: ParseContext,
  parse: (text: string) => ParsedCompletion,
  openings: readonly string[],
  tokens: readonly string[] = [],
) {
  if (mode === "strict") {
    return holdBackStream(parse, { markers: [...openings, ...tokens], content: "trimmed" }, mode);
  }
  return plainTextStream(parse, openings);
}
