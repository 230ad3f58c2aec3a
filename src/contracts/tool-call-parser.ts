/**
 * Reads a model's raw text (special tokens kept) into content, reasoning and tool calls, and writes it back.
 * One implementation per wire format, in parsers/.
 */
import type { ToolCallError, ToolSchema } from "./chat.ts";

export type { ToolCallError } from "./chat.ts";

export type ParsedToolCall = {
  /** From the text where the format carries one, else made up. */
  id: string;
  name: string;
  /** A JSON object as text, as vLLM would spell it; in a few formats the model's own bytes. */
  arguments: string;
  /** Where the call stands in the parsed text: [start, end) in UTF-16 code units. */
  raw: readonly [start: number, end: number];
};

export type ParsedCompletion = {
  /** What is left for the user; null where nothing is. */
  content: string | null;
  reasoning: string | null;
  toolCalls: ParsedToolCall[];
  errors: ToolCallError[];
};

/**
 * "vllm" agrees with vLLM's current parsers, losses included. "strict" keeps good calls when another is broken,
 * reports every bad one in `errors`, keeps all text, and reads no calls inside thinking.
 */
export type ParseMode = "vllm" | "strict";

export type ParseContext = { tools?: readonly ToolSchema[]; mode?: ParseMode };

/**
 * What a stream knows for certain so far. Concatenated over a stream, the deltas are a prefix of what `end` answers:
 * text and calls that a later token could still undo are known only then.
 */
export type ParsedDelta = { content: string; reasoning: string; toolCalls: ParsedToolCall[] };

export interface ToolCallStream {
  /** Takes the next piece of text, however it was split. Never throws. */
  push(text: string): ParsedDelta;
  /** Takes the end of the text and answers what `parse` of the whole would have answered. */
  end(): ParsedCompletion;
}

/** A completion to be written as a model of the family would emit it. `arguments` is a JSON object as text. */
export type FormattableCompletion = {
  content?: string | null;
  toolCalls: readonly { id?: string; name: string; arguments: string }[];
};

export interface ToolCallParser {
  /** The name under which vLLM or SGLang registers the format. */
  readonly name: string;
  /** Never throws; runs in time linear in the text. */
  parse(text: string, context?: ParseContext): ParsedCompletion;
  createStream(context?: ParseContext): ToolCallStream;
  /** The inverse of `parse`, as far as the format can carry the values. */
  format(completion: FormattableCompletion): string;
}

export type SplitReasoning = {
  reasoning: string | null;
  content: string | null;
  /** Where the content stands in the text; 0 where it is null or put together from several places. */
  contentStart: number;
};

/** Separates a model's thinking from its answer; runs before the tool-call parser. */
export interface ReasoningParser {
  readonly name: string;
  /** Never throws; linear time. `thinking: false` says that the template switched thinking off. */
  split(text: string, context?: { thinking?: boolean }): SplitReasoning;
}
