/** What strict mode makes of a scanned text: every good call, a reason for every bad one, and all of the text. */
import type { ToolSchema } from "../../src/contracts/chat.ts";
import { pythonJsonDumps } from "../../src/contracts/python-json.ts";
import type { FoundCall, FoundError, Span, StrictReading } from "./define-parser.ts";
import type { EngineGrammar } from "./engine-grammar.ts";
import type { EngineScan, ScannedCall } from "./engine-scan.ts";
import { pythonStrip } from "./python-text.ts";
import { coerceDict, toolProperties } from "./schema-coercion.ts";

export function readEngineStrictly(
  text: string,
  scan: EngineScan,
  grammar: EngineGrammar,
  tools: readonly ToolSchema[],
): StrictReading {
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  for (const call of scan.calls) {
    const read = readCall(text, call, grammar, tools);
    const raw: Span = [call.start, call.end];
    if (read.ok) calls.push({ name: read.name, arguments: read.arguments, raw });
    else errors.push({ reason: read.reason, raw });
  }
  return { calls, errors, markup: outside(scan.tags, errors) };
}

type ReadCall = { ok: true; name: string; arguments: string } | { ok: false; reason: string };

function readCall(
  text: string,
  call: ScannedCall,
  grammar: EngineGrammar,
  tools: readonly ToolSchema[],
): ReadCall {
  const name = call.name === undefined ? "" : pythonStrip(text.slice(...call.name));
  if (call.cutIn === "name" || call.cutIn === "preamble") {
    return { ok: false, reason: "The tool call breaks off before its arguments." };
  }
  if (name === "") return { ok: false, reason: "The tool call has no function name." };
  const body = call.arguments === undefined ? "" : text.slice(...call.arguments);
  const { values, problem } = grammar.readArguments(body, { strict: true, closed: call.closed });
  if (problem !== undefined) return { ok: false, reason: `The call of "${name}": ${problem}` };
  const unwrapped = grammar.unwrap?.(values, tools, name) ?? values;
  coerceDict(unwrapped, toolProperties(tools, name));
  return { ok: true, name, arguments: pythonJsonDumps(unwrapped) };
}

/** A broken call stays in the content as it was written, with its tags. */
function outside(tags: readonly Span[], errors: readonly FoundError[]): Span[] {
  const kept: Span[] = [];
  let next = 0;
  for (const tag of tags) {
    while ((errors[next]?.raw[1] ?? Number.POSITIVE_INFINITY) <= tag[0]) next++;
    const start = errors[next]?.raw[0];
    if (start === undefined || tag[0] < start) kept.push(tag);
  }
  return kept;
}
