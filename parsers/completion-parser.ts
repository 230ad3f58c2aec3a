/**
 * A whole completion, as vLLM's server reads it: first the thinking is taken off, then calls are read from the rest.
 * A tool-call parser of a format whose channels hold the thinking too needs no reasoning parser.
 */
import type {
  ParseContext,
  ParsedCompletion,
  ParsedToolCall,
  ReasoningParser,
  ToolCallParser,
  ToolCallStream,
} from "../src/contracts/tool-call-parser.ts";
import { isBlank } from "./shared/python-text.ts";

export type CompletionParserParts = {
  toolCallParser?: ToolCallParser | null;
  reasoningParser?: ReasoningParser | null;
  /** Whether the template switched thinking on; undefined = what the reasoning parser expects. */
  thinking?: boolean;
};

export type CompletionParser = {
  parse(text: string, context?: ParseContext): ParsedCompletion;
  /** Streams at once where there is no reasoning parser, else answers at the end. */
  createStream(context?: ParseContext): ToolCallStream;
};

/** Puts a reasoning parser before a tool-call parser; either may lack. Places of calls are those in the whole text. */
export function createCompletionParser(parts: CompletionParserParts): CompletionParser {
  const parse = (text: string, context: ParseContext = {}) => parseCompletion(text, parts, context);
  return {
    parse,
    createStream(context = {}) {
      if (parts.toolCallParser && !parts.reasoningParser) return parts.toolCallParser.createStream(context);
      const pieces: string[] = [];
      return {
        push(text) {
          pieces.push(text);
          return { content: "", reasoning: "", toolCalls: [] };
        },
        end: () => parse(pieces.join(""), context),
      };
    },
  };
}

function parseCompletion(
  text: string,
  parts: CompletionParserParts,
  context: ParseContext,
): ParsedCompletion {
  const { toolCallParser, reasoningParser, thinking } = parts;
  const split = reasoningParser?.split(text, thinking === undefined ? {} : { thinking });
  const rest = split === undefined ? text : split.content;
  if (rest === null || !toolCallParser) {
    return { content: rest, reasoning: split?.reasoning ?? null, toolCalls: [], errors: [] };
  }
  const parsed = toolCallParser.parse(rest, context);
  const moved = (call: ParsedToolCall): ParsedToolCall => {
    const offset = split?.contentStart ?? 0;
    return { ...call, raw: [call.raw[0] + offset, call.raw[1] + offset] };
  };
  const onlySpace = parsed.content !== null && isBlank(parsed.content);
  return {
    content: parsed.toolCalls.length > 0 && onlySpace ? null : parsed.content,
    reasoning: split?.reasoning ?? parsed.reasoning,
    toolCalls: parsed.toolCalls.map(moved),
    errors: parsed.errors,
  };
}
