/** The registry of tool-call parsers: one line for each family's file. */
import { closestNames } from "../src/contracts/closest-names.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import { hermesParser, longcatParser } from "./hermes.ts";
import type { DefinedParser } from "./shared/define-parser.ts";

/** Every parser once, in the order in which `environment parsers` lists them. */
export const parsers: readonly DefinedParser[] = [hermesParser, longcatParser];

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
