/**
 * What vLLM's engine makes of a scanned text, losses included. Kept here because training on a model's own text needs
 * exactly what the inference server saw:
 * - content after the first call is lost; only if every call is dropped it is put back, in front of the content before;
 * - a call that the text's end cuts is closed there, a parameter without end is gone;
 * - a call without a name is looked for in its body as JSON, else dropped;
 * - formats that check names drop calls of unknown tools without a trace.
 */
import type { ToolSchema } from "../../src/contracts/chat.ts";
import { type PythonValue, pythonJsonDumps, tryPythonJsonParse } from "../../src/contracts/python-json.ts";
import type { FoundCall, Span, VllmReading } from "./define-parser.ts";
import type { EngineGrammar } from "./engine-grammar.ts";
import type { EngineScan, ScannedCall } from "./engine-scan.ts";
import { isBlank, pythonStrip, pythonStripEnd } from "./python-text.ts";
import { coerceArgumentsText, coerceDict, findTool, toolProperties } from "./schema-coercion.ts";

/** A call as the engine collects it. */
type Slot = { call: ScannedCall; name: string; body: string };

export function readEngineAsVllm(
  text: string,
  scan: EngineScan,
  grammar: EngineGrammar,
  tools: readonly ToolSchema[],
): VllmReading {
  const slots = scan.calls.map((call) => toSlot(text, call, grammar));
  const announced = slots.some(({ name }) => isAccepted(grammar, name, tools));
  const calls = buildCalls(slots, grammar, tools);
  let content = join(text, scan.content);
  if (!announced) content = join(text, scan.contentAfter) + content;
  if (slots.length > 0 && isBlank(content)) content = "";
  if (calls.length > 0 && !grammar.keepsContentWhitespace) content = pythonStrip(content);
  const reasoning = pythonStripEnd(withoutPrefix(join(text, scan.reasoning), grammar.thinking?.prefix));
  return { content: content || null, calls, reasoning: reasoning || null };
}

function withoutPrefix(text: string, prefix: string | undefined): string {
  return prefix !== undefined && text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

function toSlot(text: string, call: ScannedCall, grammar: EngineGrammar): Slot {
  const written = slice(text, call.name);
  const body = slice(text, call.arguments);
  const name = written === "" ? nameInBody(body) : written;
  return { call, name: grammar.trimsNames ? pythonStrip(name) : name, body };
}

function slice(text: string, span: Span | undefined): string {
  return span === undefined ? "" : text.slice(span[0], span[1]);
}

function join(text: string, spans: readonly Span[]): string {
  return spans.map((span) => slice(text, span)).join("");
}

function nameInBody(body: string): string {
  return /"name"\s*:\s*"([^"]*)"/.exec(body)?.[1] ?? "";
}

function isAccepted(grammar: EngineGrammar, name: string, tools: readonly ToolSchema[]): boolean {
  if (name === "") return false;
  return !grammar.validatesNames || tools.length === 0 || findTool(tools, name) !== undefined;
}

function buildCalls(
  slots: readonly Slot[],
  grammar: EngineGrammar,
  tools: readonly ToolSchema[],
): FoundCall[] {
  const nameOfBody = new Map<string, string>();
  for (const { name, body } of slots) if (!nameOfBody.has(body)) nameOfBody.set(body, name);
  const calls: FoundCall[] = [];
  for (const { call, name: written, body } of slots) {
    const stripped = pythonStrip(written);
    const { name, text } =
      stripped === "" && !isBlank(body)
        ? nameAndArguments(body)
        : { name: stripped, text: isBlank(body) ? "{}" : undefined };
    if (!isAccepted(grammar, name, tools)) continue;
    // The engine finds the call whose arguments it converts by their text: of two equal ones, the first.
    const owner = nameOfBody.get(body) ?? name;
    calls.push({
      name,
      arguments:
        text === undefined
          ? convert(body, { name, owner }, grammar, tools)
          : coerceArgumentsText(text, tools, name),
      raw: [call.start, call.end],
    });
  }
  return calls;
}

function convert(
  body: string,
  { name, owner }: { name: string; owner: string },
  grammar: EngineGrammar,
  tools: readonly ToolSchema[],
): string {
  const { values } = grammar.readArguments(body, { strict: false, closed: true });
  const unwrapped = grammar.unwrap?.(values, tools, owner) ?? values;
  coerceDict(unwrapped, toolProperties(tools, name));
  return pythonJsonDumps(unwrapped);
}

/** A body that is a JSON call of its own: `{"name": …, "arguments": …}`. */
function nameAndArguments(body: string): { name: string; text: string } {
  const stripped = pythonStrip(body);
  const read = tryPythonJsonParse(stripped);
  if (!read.ok || !(read.value instanceof Map)) return { name: "", text: stripped };
  const call = read.value;
  const name = call.get("name") ?? "";
  if (typeof name !== "string") return { name: "", text: stripped };
  for (const key of ["arguments", "parameters"]) {
    const value = call.get(key);
    if (value !== undefined) return { name, text: spell(value) };
  }
  const rest = new Map([...call].filter(([key]) => key !== "name"));
  return { name, text: pythonJsonDumps(rest) };
}

function spell(value: PythonValue): string {
  return typeof value === "string" ? value : pythonJsonDumps(value);
}
