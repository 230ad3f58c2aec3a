/**
 * GLM-4.5 to 4.7 and Ling 3: `<tool_call>NAME\n<arg_key>KEY</arg_key>\n<arg_value>VALUE</arg_value>\n</tool_call>`.
 * Values are verbatim text, whitespace included, and get their types from the tool's schema.
 */
import type { PythonDict } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import type { ArgumentsContext, EngineGrammar, ReadArguments } from "./shared/engine-grammar.ts";
import { defineEngineParser } from "./shared/engine-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { type KeyValuePairs, keyValueTags, readKeyValuePairs } from "./shared/key-value-pairs.ts";
import { plainArguments } from "./shared/plain-arguments.ts";
import { pythonStrip } from "./shared/python-text.ts";

export const glmGrammar: EngineGrammar = {
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

function readArguments(raw: string, context: ArgumentsContext): ReadArguments {
  return pairsAsArguments(readKeyValuePairs(raw, keyValueTags()), context);
}

/** The pairs as arguments; what was cut off counts only where the call itself has its end. */
export function pairsAsArguments(
  { pairs, open }: KeyValuePairs,
  { strict, closed }: ArgumentsContext,
): ReadArguments {
  const values: PythonDict = new Map(pairs.map(([key, value]) => [pythonStrip(key), value]));
  if (open === undefined || !strict) return { values };
  if (open.key === undefined || open.value === undefined) {
    return { values, problem: "an <arg_key> has no </arg_key> and <arg_value>." };
  }
  const key = pythonStrip(open.key);
  if (!closed) return { values, problem: `the value of "${key}" has no </arg_value>.` };
  return { values: values.set(key, open.value) };
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
  grammar: { ...glmGrammar, thinking },
  format: formatGlm,
});

/** Ling 3's template has thinking off unless it is asked for, so that the parser leaves its tags alone. */
export const ling3Parser = defineEngineParser({
  name: "ling3",
  models: "Ling 3",
  limits,
  grammar: glmGrammar,
  format: formatGlm,
});
