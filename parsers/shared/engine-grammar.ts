/** What a format must say of itself to be read by the engine. */
import type { ToolSchema } from "../../src/contracts/chat.ts";
import type { PythonDict } from "../../src/contracts/python-json.ts";
import { type EngineTable, type EngineTransitions, engineTable } from "./engine-scan.ts";

export type ReadArguments = {
  values: PythonDict;
  /** For strict mode: why the arguments cannot be trusted, in words for the model. */
  problem?: string;
};

export type ArgumentsContext = {
  strict: boolean;
  /** Whether the call was ended by a tag, rather than by the end of the text. */
  closed: boolean;
};

export type EngineGrammar = {
  /** All tags that vLLM's lexer knows in this format. */
  tags: readonly string[];
  /** Without those of thinking. */
  transitions: EngineTransitions;
  /** Added in strict mode, where no text may be lost. */
  strictTransitions?: EngineTransitions;
  thinking?: {
    open: string;
    close: string;
    /** Whether `open` starts reasoning in content; else it is text and only a stray `close` is swallowed. */
    opens: boolean;
    /** The tag that begins calls right out of reasoning. */
    exit?: string;
    /** Texts that begin in the middle of thinking. */
    begins?: (text: string) => boolean;
    /** What stands at the front of all thinking and is no part of it. */
    prefix?: string;
  };
  readArguments: (raw: string, context: ArgumentsContext) => ReadArguments;
  /** A last step over the values, before they get their types. */
  unwrap?: (values: PythonDict, tools: readonly ToolSchema[], name: string) => PythonDict;
  /** Calls of tools that were not offered are dropped in mode "vllm". */
  validatesNames?: boolean;
  /** Names are stripped before they are looked up. */
  trimsNames?: boolean;
  /** Content keeps its whitespace although calls follow. */
  keepsContentWhitespace?: boolean;
};

/** The tables of both modes. In strict mode thinking is found beforehand, its tags are text. */
export function engineTables(grammar: EngineGrammar): { vllm: EngineTable; strict: EngineTable } {
  const { tags, transitions, strictTransitions = {}, thinking } = grammar;
  return {
    vllm: engineTable(tags, thinking === undefined ? transitions : withThinking(transitions, thinking)),
    strict: engineTable(tags, merge(transitions, strictTransitions)),
  };
}

function withThinking(
  transitions: EngineTransitions,
  { open, close, opens, exit }: NonNullable<EngineGrammar["thinking"]>,
): EngineTransitions {
  const opening = exit === undefined ? undefined : transitions.content?.[exit];
  return merge(transitions, {
    content: { [close]: { to: "content" }, ...(opens ? { [open]: { to: "reasoning" } } : {}) },
    reasoning: {
      [open]: { to: "reasoning" },
      [close]: { to: "content" },
      ...(exit === undefined || opening === undefined ? {} : { [exit]: opening }),
    },
  });
}

function merge(first: EngineTransitions, second: EngineTransitions): EngineTransitions {
  return {
    content: { ...first.content, ...second.content },
    reasoning: { ...first.reasoning, ...second.reasoning },
    preamble: { ...first.preamble, ...second.preamble },
    name: { ...first.name, ...second.name },
    arguments: { ...first.arguments, ...second.arguments },
    between: { ...first.between, ...second.between },
  };
}
