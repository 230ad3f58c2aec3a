/**
 * MiniMax M2: `<minimax:tool_call>\n<invoke name="NAME">\n<parameter name="KEY">VALUE</parameter>\n</invoke>\n
 * </minimax:tool_call>`, one wrapper around all calls. Names may be quoted with ", ' or not at all.
 */
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import type { ArgumentsContext, EngineGrammar } from "./shared/engine-grammar.ts";
import { defineEngineParser } from "./shared/engine-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { plainArguments } from "./shared/plain-arguments.ts";
import { pythonStrip } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { readParameters } from "./shared/tagged-parameters.ts";

const invoke = { to: "name", opens: true } as const;
const invokes = { '<invoke name="': invoke, "<invoke name='": invoke, "<invoke name=": invoke };
const nameEnd = { to: "arguments" } as const;

const grammar: EngineGrammar = {
  tags: [
    "<think>",
    "</think>",
    "<minimax:tool_call>",
    "</minimax:tool_call>",
    ...Object.keys(invokes),
    "</invoke>",
    '">',
    "'>",
    ">",
    "<parameter name=",
    "</parameter>",
  ],
  thinking: { open: "<think>", close: "</think>", opens: false },
  transitions: {
    content: {
      "<minimax:tool_call>": { to: "preamble" },
      "</minimax:tool_call>": { to: "content" },
      ...invokes,
    },
    preamble: { "</minimax:tool_call>": { to: "content" }, ...invokes },
    name: { '">': nameEnd, "'>": nameEnd, ">": nameEnd },
    arguments: { "</invoke>": { to: "between", closes: true } },
    between: { "</minimax:tool_call>": { to: "content" }, ...invokes },
  },
  readArguments,
  validatesNames: true,
};

const opening = /<\s*parameter\s+name\s*=\s*/g;
const ending = /<\s*(?:\/\s*parameter\s*>|parameter\s+name\s*=)/g;
const tagEnd = /\s*>/y;
const bareKey = /([^>\s]+)\s*>/y;

function readArguments(raw: string, context: ArgumentsContext) {
  const quotes = new TagScanner(raw, ['"', "'"]);
  return readParameters(
    raw,
    {
      opening,
      ending,
      closing: "</parameter>",
      skipsEmptyKeys: true,
      opens: (found) => found.endsWith("="),
      key: (text, at) => quotedKey(text, at, quotes) ?? plainKey(text, at) ?? "no tag",
    },
    context,
  );
}

function quotedKey(text: string, at: number, quotes: TagScanner<'"' | "'">) {
  const quote = text.charAt(at);
  if (quote !== '"' && quote !== "'") return undefined;
  const close = quotes.next(at + 1, [quote]);
  if (close === undefined) return undefined;
  tagEnd.lastIndex = close.end;
  if (!tagEnd.test(text)) return undefined;
  return { key: pythonStrip(text.slice(at + 1, close.start)), end: tagEnd.lastIndex };
}

function plainKey(text: string, at: number) {
  bareKey.lastIndex = at;
  const key = bareKey.exec(text)?.[1];
  return key === undefined ? undefined : { key: pythonStrip(key), end: bareKey.lastIndex };
}

function format({ content, toolCalls }: FormattableCompletion): string {
  if (toolCalls.length === 0) return content ?? "";
  const calls = toolCalls.map(({ name, arguments: text }) => {
    const parameters = plainArguments(text).map(
      ([key, value]) => `<parameter name="${key}">${value}</parameter>\n`,
    );
    return `<invoke name="${name}">\n${parameters.join("")}</invoke>\n`;
  });
  return afterContent(content, `<minimax:tool_call>\n${calls.join("")}</minimax:tool_call>`);
}

export const minimaxM2Parser = defineEngineParser({
  name: "minimax_m2",
  aliases: ["minimax-m2"],
  models: "MiniMax M2, M2.1, M2.5",
  limits: [
    "Without the tool's schema every value is a string.",
    "A value can hold neither </parameter>, <parameter name= nor </invoke>; a key or name neither quotes nor >.",
  ],
  grammar,
  format,
});
