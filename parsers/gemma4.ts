/**
 * Gemma 4: `<|tool_call>call:NAME{key:<|"|>text<|"|>,n:42}<tool_call|>`, thinking in `<|channel>thought\n…<channel|>`.
 * The notation of the arguments is in gemma4-arguments.ts.
 */
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import { formatGemmaEntries, isGemmaClosed, readGemmaArguments, withoutClosing } from "./gemma4-arguments.ts";
import type { EngineGrammar } from "./shared/engine-grammar.ts";
import { defineEngineParser } from "./shared/engine-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { argumentEntries } from "./shared/plain-arguments.ts";

const callStart = "<|tool_call>";
const callEnd = "<tool_call|>";

const grammar: EngineGrammar = {
  tags: ["<|channel>", "<channel|>", callStart, callEnd, "call:", "{", "("],
  thinking: {
    open: "<|channel>",
    close: "<channel|>",
    opens: true,
    exit: callStart,
    begins,
    prefix: "thought\n",
  },
  transitions: {
    content: {
      [callStart]: { to: "preamble", opens: true },
      [callEnd]: { to: "content" },
    },
    preamble: {
      [callEnd]: { to: "content", closes: true },
      "call:": { to: "name" },
    },
    name: {
      "{": { to: "arguments" },
      "(": { to: "arguments" },
      [callEnd]: { to: "content", closes: true },
    },
    arguments: { [callEnd]: { to: "content", closes: true } },
  },
  readArguments: (raw, { strict, closed }) => {
    const values = readGemmaArguments(withoutClosing(raw));
    const cut = strict && !closed && !isGemmaClosed(raw);
    return cut ? { values, problem: "its arguments break off." } : { values };
  },
};

/** The template may have opened the channel: the text then has its end only, or begins with the channel's name. */
function begins(text: string): boolean {
  if (text.includes("<|channel>")) return false;
  return text.includes("<channel|>") || text.startsWith("thought\n") || text === "thought";
}

function format({ content, toolCalls }: FormattableCompletion): string {
  const calls = toolCalls.map(
    ({ name, arguments: text }) =>
      `${callStart}call:${name}{${formatGemmaEntries(argumentEntries(text))}}${callEnd}`,
  );
  return afterContent(content, calls.join(""));
}

export const gemma4Parser = defineEngineParser({
  name: "gemma4",
  models: "Gemma 4",
  limits: [
    "Without the tool's schema every value is a string, and nested ones get types only where the schema names them.",
    'A string can hold neither <|"|> nor <tool_call|>; a key or name no colon, bracket or comma.',
  ],
  grammar,
  format,
});
