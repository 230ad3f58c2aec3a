/** The lists of Hunyuan A13B and xLAM, whose readers in vLLM share a rule: entries without both keys are left out. */
import type { PythonValue } from "../../src/contracts/python-json.ts";
import type { FoundCall, Span } from "./define-parser.ts";
import { dumpJson } from "./json-calls.ts";

export const badEntry = 'A tool call needs a "name" that is a string and "arguments" that are an object.';

/** The calls of a list, entries without both keys left out; undefined where vLLM's own types refuse one. */
export function listedCalls(list: readonly PythonValue[], spans: readonly Span[]): FoundCall[] | undefined {
  const calls: FoundCall[] = [];
  for (const [index, entry] of list.entries()) {
    if (!(entry instanceof Map)) continue;
    const name = entry.get("name");
    const found = entry.get("arguments");
    if (name === undefined || found === undefined) continue;
    const written = found instanceof Map ? dumpJson(found) : found;
    if (typeof name !== "string" || typeof written !== "string") return undefined;
    calls.push({ name, arguments: written, raw: spans[index] ?? [0, 0] });
  }
  return calls;
}
