/**
 * The XML of Qwen3-Coder, which several other model families took over:
 * `<tool_call>\n<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n</function>\n</tool_call>`.
 * Values are untyped text; only the tool's schema makes a number of "5".
 */
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import type { DefinedParser } from "./shared/define-parser.ts";
import type { ArgumentsContext, EngineGrammar } from "./shared/engine-grammar.ts";
import { defineEngineParser } from "./shared/engine-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { plainArguments } from "./shared/plain-arguments.ts";
import { readParameters } from "./shared/tagged-parameters.ts";

type Wrapper = { call: string; think: string };

function grammarOf({ call, think }: Wrapper): EngineGrammar {
  const opening = `<${call}>`;
  const closing = `</${call}>`;
  return {
    tags: [
      `<${think}>`,
      `</${think}>`,
      opening,
      closing,
      "<function=",
      "</function>",
      "<parameter=",
      "</parameter>",
      ">",
    ],
    thinking: { open: `<${think}>`, close: `</${think}>`, opens: false },
    transitions: {
      content: {
        [opening]: { to: "preamble", opens: true },
        "<function=": { to: "name", opens: true },
      },
      preamble: {
        [closing]: { to: "content", closes: true },
        "<function=": { to: "name" },
      },
      name: {
        ">": { to: "arguments" },
        "</function>": { to: "between", closes: true },
      },
      arguments: { "</function>": { to: "between", closes: true } },
      between: {
        [closing]: { to: "content" },
        [opening]: { to: "preamble", opens: true },
        "<function=": { to: "name", opens: true },
      },
    },
    readArguments,
  };
}

const opening = /<\s*parameter\s*=\s*/g;
const ending = /<\s*(?:\/\s*parameter\s*>|parameter\s*=)/g;

function readArguments(raw: string, context: ArgumentsContext) {
  return readParameters(
    raw,
    {
      opening,
      ending,
      closing: "</parameter>",
      key: (text, at) => {
        const end = text.indexOf(">", at);
        return end < 0 ? "no more tags" : { key: text.slice(at, end), end: end + 1 };
      },
      opens: (found) => found.endsWith("="),
      value: trimWrappingNewlines,
    },
    context,
  );
}

/** The template sets values on lines of their own: one newline on either side is not the value's. */
function trimWrappingNewlines(value: string): string {
  const start = value.startsWith("\n") ? 1 : 0;
  return value.slice(start, value.length > start && value.endsWith("\n") ? -1 : undefined);
}

function formatAs(call: string) {
  return ({ content, toolCalls }: FormattableCompletion): string => {
    const calls = toolCalls.map(({ name, arguments: text }) => {
      const parameters = plainArguments(text).map(
        ([key, value]) => `<parameter=${key}>\n${value}\n</parameter>\n`,
      );
      return `<${call}>\n<function=${name}>\n${parameters.join("")}</function>\n</${call}>`;
    });
    return afterContent(content, calls.join("\n"));
  };
}

const plain: Wrapper = { call: "tool_call", think: "think" };
export const qwen3CoderGrammar = grammarOf(plain);
export const formatQwen3Coder = formatAs(plain.call);

const limits = [
  "Without the tool's schema every value is a string.",
  "A value can hold neither </parameter>, <parameter= nor </function>; a key or name no >.",
];

function parserOf(
  name: string,
  aliases: readonly string[],
  models: string,
  wrapper: Wrapper = plain,
): DefinedParser {
  return defineEngineParser({
    name,
    aliases,
    models,
    limits,
    grammar: grammarOf(wrapper),
    format: formatAs(wrapper.call),
  });
}

export const qwen3CoderParser = parserOf("qwen3_coder", ["qwen3_xml"], "Qwen3-Coder, Qwen3.5");
export const mimoParser = parserOf("mimo", [], "MiMo");
export const nemotronV3Parser = parserOf("nemotron_v3", ["nemotron", "nemotron_3"], "Nemotron 3");
export const seedOssParser = parserOf("seed_oss", [], "Seed-OSS", {
  call: "seed:tool_call",
  think: "seed:think",
});
