/** A parser of a format that the engine reads: the grammar says how, this binds it to both modes and the stream. */
import { type DefinedParser, defineParser, type ParserDefinition, type Span } from "./define-parser.ts";
import { type EngineGrammar, engineTables } from "./engine-grammar.ts";
import { scanEngine } from "./engine-scan.ts";
import { readEngineStrictly } from "./engine-strict.ts";
import { readEngineAsVllm } from "./engine-vllm.ts";
import { holdBackStream } from "./hold-back-stream.ts";

export type EngineParserDefinition = Omit<
  ParserDefinition,
  "stream" | "createStream" | "readAsVllm" | "readStrictly"
> & { grammar: EngineGrammar };

/**
 * Streams say nothing before the end in mode "vllm": where vLLM drops every call it puts the text after them in front
 * of the text before, so that no content is certain. In strict mode content streams up to the first tag.
 */
export function defineEngineParser({ grammar, ...definition }: EngineParserDefinition): DefinedParser {
  const tables = engineTables(grammar);
  const markers = [...tables.strict.content.transitions.keys()];
  return defineParser({
    ...definition,
    createStream: ({ mode }, parse) =>
      holdBackStream(parse, mode === "strict" ? { markers, content: "trimmed" } : undefined, mode),
    readAsVllm: (text, tools) => {
      const initial = grammar.thinking?.begins?.(text) ? "reasoning" : "content";
      return readEngineAsVllm(text, scanEngine(text, tables.vllm, { initial }), grammar, tools);
    },
    readStrictly: strictEngineReader(grammar),
  });
}

/** Strict reading by the engine, also for formats that vLLM reads in other ways. */
export function strictEngineReader(grammar: EngineGrammar): ParserDefinition["readStrictly"] {
  const table = engineTables(grammar).strict;
  return ({ text, tools, thinking }) => {
    const scan = scanEngine(text, table, { skipOpening: thinkingSkipper(thinking) });
    return readEngineStrictly(text, scan, grammar, tools);
  };
}

/** For places that only grow: the end of the thinking around a place, if there is any. */
function thinkingSkipper(thinking: readonly Span[]): (position: number) => number | undefined {
  let next = 0;
  return (position) => {
    while ((thinking[next]?.[1] ?? Number.POSITIVE_INFINITY) <= position) next++;
    const [start, end] = thinking[next] ?? [];
    return start !== undefined && start <= position ? end : undefined;
  };
}
