/**
 * Makes a `ToolCallParser` of the little that differs between wire formats: how vLLM reads the text, where the calls
 * stand in it, and how they are written. Ids, strict mode's content, error texts and the stream come from here.
 *
 * Strict content is always the text with the calls (and pure markup) cut out, so that nothing a model wrote is lost;
 * a broken call stays in it.
 */

import type { ToolSchema } from "../../src/contracts/chat.ts";
import type {
  FormattableCompletion,
  ParseContext,
  ParsedCompletion,
  ParsedToolCall,
  ToolCallParser,
  ToolCallStream,
} from "../../src/contracts/tool-call-parser.ts";
import { makeCallId } from "./call-ids.ts";
import { holdBackStream, type StreamRule } from "./hold-back-stream.ts";
import { isBlank, pythonStrip } from "./python-text.ts";
import { thinkingSpans } from "./thinking-spans.ts";

/** [start, end) in UTF-16 code units of the parsed text. */
export type Span = readonly [start: number, end: number];

export type FoundCall = {
  name: string;
  arguments: string;
  raw: Span;
  /** Only where the format carries one. */
  id?: string;
};

/** `reason` is written for the model: what was expected, what came. */
export type FoundError = { reason: string; raw: Span };

export type VllmReading = {
  content: string | null;
  calls: FoundCall[];
  reasoning?: string | null;
  errors?: FoundError[];
};

export type StrictReading = {
  calls: FoundCall[];
  errors: FoundError[];
  /** Text that belongs to the format and to no call, such as the tags around a list of calls. */
  markup?: Span[];
  /** Only for formats in which thinking and answer are channels of their own. */
  reasoning?: string | null;
  content?: string | null;
};

export type StrictInput = {
  text: string;
  tools: readonly ToolSchema[];
  /** Where thinking stands: no call may be read there. Sorted, disjoint. */
  thinking: readonly Span[];
};

export type ParserDefinition = {
  /** As vLLM (or SGLang) registers it. */
  name: string;
  aliases?: readonly string[];
  /** The models that write so, for people. */
  models: string;
  /** What `format` cannot carry, one sentence each. */
  limits?: readonly string[];
  /** How much is certain before the text ends. Without it a stream answers only at the end. */
  stream?: StreamRule;
  /** Instead of the default stream, where a format knows more before the end. */
  createStream?: (context: ParseContext, parse: (text: string) => ParsedCompletion) => ToolCallStream;
  makeId?: (index: number) => string;
  /** Exactly what vLLM answers, losses included. Never throws; linear. */
  readAsVllm: (text: string, tools: readonly ToolSchema[]) => VllmReading;
  /** Every good call outside thinking, and every bad one. Never throws; linear. */
  readStrictly: (input: StrictInput) => StrictReading;
  format: (completion: FormattableCompletion) => string;
};

/** A parser with what people want to know of it. */
export interface DefinedParser extends ToolCallParser {
  readonly aliases: readonly string[];
  readonly models: string;
  readonly limits: readonly string[];
}

export function defineParser(definition: ParserDefinition): DefinedParser {
  const { name, aliases = [], models, limits = [], stream, format } = definition;
  const parse = (text: string, context: ParseContext = {}) =>
    context.mode === "strict"
      ? parseStrictly(definition, text, context)
      : parseAsVllm(definition, text, context);
  const createStream = (context: ParseContext = {}): ToolCallStream => {
    const parseWhole = (text: string) => parse(text, context);
    return definition.createStream?.(context, parseWhole) ?? holdBackStream(parseWhole, stream, context.mode);
  };
  return { name, aliases, models, limits, parse, createStream, format };
}

function parseAsVllm(
  definition: ParserDefinition,
  text: string,
  { tools = [] }: ParseContext,
): ParsedCompletion {
  const { content, reasoning = null, calls, errors = [] } = definition.readAsVllm(text, tools);
  return {
    content,
    reasoning,
    toolCalls: nameCalls(definition, calls),
    errors: errors.map((error) => describe(error, text)),
  };
}

function parseStrictly(
  definition: ParserDefinition,
  text: string,
  { tools = [] }: ParseContext,
): ParsedCompletion {
  const reading = definition.readStrictly({ text, tools, thinking: thinkingSpans(text) });
  const { calls, errors, markup = [], reasoning = null } = reading;
  const content =
    reading.content === undefined ? cut(text, [...calls.map(({ raw }) => raw), ...markup]) : reading.content;
  return {
    content,
    reasoning,
    toolCalls: nameCalls(definition, calls),
    errors: errors.map((error) => describe(error, text)),
  };
}

function nameCalls({ makeId = makeCallId }: ParserDefinition, calls: readonly FoundCall[]): ParsedToolCall[] {
  return calls.map((call, index) => ({
    id: call.id ?? makeId(index),
    name: call.name,
    arguments: call.arguments,
    raw: call.raw,
  }));
}

function describe({ reason, raw: [start, end] }: FoundError, text: string) {
  return { reason, raw: text.slice(start, end) };
}

/** What is left of the text; trimmed where something was cut, null where only whitespace is left. */
function cut(text: string, spans: readonly Span[]): string | null {
  if (spans.length === 0) return text === "" ? null : text;
  const sorted = spans.toSorted((a, b) => a[0] - b[0]);
  let left = "";
  let position = 0;
  for (const [start, end] of sorted) {
    if (start > position) left += text.slice(position, start);
    position = Math.max(position, end);
  }
  left += text.slice(position);
  return isBlank(left) ? null : pythonStrip(left);
}
