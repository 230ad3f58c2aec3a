/**
 * GLM-4.5 to 4.7 and Ling 3: `<tool_call>NAME\n<arg_key>KEY</arg_key>\n<arg_value>VALUE</arg_value>\n</tool_call>`.
 * Values are verbatim text, whitespace included, and get their types from the tool's schema.
 */
import type { PythonDict } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import type { ArgumentsContext, EngineGrammar, ReadArguments } from "./shared/engine-grammar.ts";
import { defineEngineParser } from "./shared/engine-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { plainArguments } from "./shared/plain-arguments.ts";
import { pythonStrip } from "./shared/python-text.ts";

const grammar: EngineGrammar = {
  tags: [
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
  ],
  transitions: {
    content: { "<tool_call>": { to: "name", opens: true } },
    name: {
      "<arg_key>": { to: "arguments", keepsTag: true },
      "</tool_call>": { to: "content", closes: true },
    },
    arguments: { "</tool_call>": { to: "content", closes: true } },
  },
  readArguments,
  validatesNames: true,
  trimsNames: true,
};

const thinking = { open: "<think>", close: "</think>", opens: true, exit: "<tool_call>" };

/** A key goes up to the `</arg_key>` that a value follows, so that it may hold another one. */
const keyEnd = /<\/arg_key>\s*<arg_value>/g;

function readArguments(raw: string, { strict, closed }: ArgumentsContext): ReadArguments {
  const values: PythonDict = new Map();
  let position = 0;
  for (;;) {
    const start = raw.indexOf("<arg_key>", position);
    if (start < 0) return { values };
    keyEnd.lastIndex = start + "<arg_key>".length;
    const middle = keyEnd.exec(raw);
    if (middle === null) {
      return strict ? { values, problem: "an <arg_key> has no </arg_key> and <arg_value>." } : { values };
    }
    const key = pythonStrip(raw.slice(start + "<arg_key>".length, middle.index));
    const end = raw.indexOf("</arg_value>", keyEnd.lastIndex);
    if (end < 0) {
      if (!strict) return { values };
      if (!closed) return { values, problem: `the value of "${key}" has no </arg_value>.` };
      values.set(key, raw.slice(keyEnd.lastIndex));
      return { values };
    }
    values.set(key, raw.slice(keyEnd.lastIndex, end));
    position = end + "</arg_value>".length;
  }
}

export function formatGlm({ content, toolCalls }: FormattableCompletion): string {
  const calls = toolCalls.map(({ name, arguments: text }) => {
    const parameters = plainArguments(text).map(
      ([key, value]) => `<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>\n`,
    );
    return `<tool_call>${name}\n${parameters.join("")}</tool_call>`;
  });
  return afterContent(content, calls.join("\n"));
}

const limits = [
  "Without the tool's schema every value is a string.",
  "A value can hold neither </arg_value> nor </tool_call>.",
];

export const glm45Parser = defineEngineParser({
  name: "glm45",
  aliases: ["glm47", "glm"],
  models: "GLM-4.5, GLM-4.6, GLM-4.7",
  limits,
  grammar: { ...grammar, thinking },
  format: formatGlm,
});

/** Ling 3's template has thinking off unless it is asked for, so that the parser leaves its tags alone. */
export const ling3Parser = defineEngineParser({
  name: "ling3",
  models: "Ling 3",
  limits,
  grammar,
  format: formatGlm,
});
