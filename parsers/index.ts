/** The registry of tool-call parsers, `lachesis/parsers`: one line for each family's file. */
import { closestNames } from "../src/contracts/closest-names.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import { apertusParser } from "./apertus.ts";
import { cohereCommand3Parser, cohereCommand4Parser } from "./cohere-command.ts";
import { deepseekV3Parser, deepseekV31Parser } from "./deepseek.ts";
import { deepseekV4Parser, deepseekV32Parser } from "./deepseek-dsml.ts";
import { ernie45Parser } from "./ernie45.ts";
import { functiongemmaParser } from "./functiongemma.ts";
import { gemma4Parser } from "./gemma4.ts";
import { gigachat3Parser } from "./gigachat3.ts";
import { glm45Parser, ling3Parser } from "./glm.ts";
import { granite4Parser, granite20bFunctionCallingParser, graniteParser } from "./granite.ts";
import { openaiParser } from "./harmony.ts";
import { hermesParser, longcatParser } from "./hermes.ts";
import { hunyuanA13bParser } from "./hunyuan-a13b.ts";
import { hyV3Parser } from "./hy-v3.ts";
import { inklingParser } from "./inkling.ts";
import { internlmParser, internS1Parser } from "./internlm.ts";
import { jambaParser } from "./jamba.ts";
import { kimiK2Parser } from "./kimi-k2.ts";
import { kimiK3Parser } from "./kimi-k3.ts";
import { lfm2Parser } from "./lfm2.ts";
import { llama3JsonParser, llama4JsonParser } from "./llama-json.ts";
import { minicpm5Parser } from "./minicpm5.ts";
import { minimaxParser } from "./minimax-m1.ts";
import { minimaxM2Parser } from "./minimax-m2.ts";
import { minimaxM3Parser } from "./minimax-m3.ts";
import { mistralParser } from "./mistral.ts";
import { museParser } from "./muse.ts";
import { olmo3Parser } from "./olmo3.ts";
import { phi4MiniJsonParser } from "./phi4-mini.ts";
import { poolsideV1Parser } from "./poolside.ts";
import { llama4PythonicParser, pythonicParser } from "./pythonic.ts";
import { mimoParser, nemotronV3Parser, qwen3CoderParser, seedOssParser } from "./qwen3-coder.ts";
import { qwen25Parser, trinityParser } from "./qwen25.ts";
import type { DefinedParser } from "./shared/define-parser.ts";
import { solarOpen2Parser } from "./solar-open2.ts";
import { step3Parser } from "./step3.ts";
import { step3p5Parser } from "./step3p5.ts";
import { xlamParser } from "./xlam.ts";

/** Every parser once, in the order in which `environment parsers` lists them. */
export const parsers: readonly DefinedParser[] = [
  ...[hermesParser, longcatParser],
  ...[qwen25Parser, trinityParser],
  ...[llama3JsonParser, llama4JsonParser],
  ...[pythonicParser, llama4PythonicParser],
  olmo3Parser,
  lfm2Parser,
  ...[deepseekV3Parser, deepseekV31Parser],
  ...[kimiK2Parser, kimiK3Parser],
  functiongemmaParser,
  inklingParser,
  openaiParser,
  museParser,
  mistralParser,
  ...[graniteParser, granite4Parser, granite20bFunctionCallingParser],
  ernie45Parser,
  jambaParser,
  hunyuanA13bParser,
  xlamParser,
  ...[internlmParser, internS1Parser],
  phi4MiniJsonParser,
  apertusParser,
  gigachat3Parser,
  ...[cohereCommand3Parser, cohereCommand4Parser],
  ...[qwen3CoderParser, mimoParser, nemotronV3Parser, seedOssParser],
  ...[glm45Parser, ling3Parser],
  poolsideV1Parser,
  hyV3Parser,
  ...[minimaxParser, minimaxM2Parser, minimaxM3Parser],
  ...[step3Parser, step3p5Parser],
  minicpm5Parser,
  solarOpen2Parser,
  ...[deepseekV32Parser, deepseekV4Parser],
  gemma4Parser,
];

const byName = new Map(
  parsers.flatMap((parser) => [parser.name, ...parser.aliases].map((name) => [name, parser] as const)),
);

/** Names and aliases, sorted. */
export const parserNames: readonly string[] = [...byName.keys()].sort();

/** The parser of a name or alias of vLLM, SGLang or hermes-agent; throws PARSER_UNKNOWN. */
export function getParser(name: string): DefinedParser {
  const parser = byName.get(name);
  if (parser !== undefined) return parser;
  const [close] = closestNames(name, parserNames, 1);
  throw new LachesisError("PARSER_UNKNOWN", `There is no tool-call parser named "${name}".`, {
    hint: close === undefined ? `Known: ${parserNames.join(", ")}.` : `Did you mean "${close}"?`,
  });
}

export { createCompletionParser } from "./completion-parser.ts";
export { detectParsers } from "./detect-parsers.ts";
export { getReasoningParser, reasoningParserNames } from "./reasoning.ts";
