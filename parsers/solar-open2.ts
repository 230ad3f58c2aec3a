/**
 * Solar Open 2: `<|tool_call:start|>NAME\n<|tool_arg:start|>KEY<|tool_arg:value|>VALUE<|tool_arg:end|>\n
 * <|tool_call:end|>`. A call may end where the next one starts; one that nothing ends is ignored.
 */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { type PythonDict, pythonJsonDumps } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { afterContent } from "./shared/format-calls.ts";
import { plainArguments } from "./shared/plain-arguments.ts";
import { isBlank, pythonStrip } from "./shared/python-text.ts";
import { coerceToSchemaType, propertySchema, schemaTypes, toolProperties } from "./shared/schema-coercion.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { isInside } from "./shared/thinking-spans.ts";

const callStart = "<|tool_call:start|>";
const callEnd = "<|tool_call:end|>";
const keyStart = "<|tool_arg:start|>";
const valueStart = "<|tool_arg:value|>";
const valueEnd = "<|tool_arg:end|>";
const tags = [callStart, callEnd, keyStart, valueStart, valueEnd, "\n"] as const;
type Scanner = TagScanner<(typeof tags)[number]>;

/** Every start of a call, with the call or what is wrong with it. */
function* readCalls(text: string, tools: readonly ToolSchema[]): Generator<FoundCall | FoundError> {
  const scanner: Scanner = new TagScanner(text, tags);
  let position = 0;
  for (;;) {
    const start = scanner.next(position, [callStart]);
    if (start === undefined) return;
    const stop = scanner.next(start.end, [callStart, callEnd]);
    position = stop?.tag === callEnd ? stop.end : (stop?.start ?? text.length);
    const newline = scanner.next(start.end, ["\n"])?.start;
    const raw = [start.start, position] as const;
    if (stop === undefined) {
      yield { reason: `The tool call has no ${callEnd}.`, raw };
    } else if (newline === undefined || newline >= stop.start) {
      yield { reason: "The tool call has no newline after the function name.", raw };
    } else {
      const name = pythonStrip(text.slice(start.end, newline));
      const values = readArguments(scanner, newline + 1, stop.start, toolProperties(tools, name));
      yield { name, arguments: pythonJsonDumps(values), raw };
    }
  }
}

/** Of several values of one key the first counts. */
function readArguments(
  scanner: Scanner,
  from: number,
  to: number,
  properties: ReturnType<typeof toolProperties>,
): PythonDict {
  const values: PythonDict = new Map();
  let position = from;
  for (;;) {
    const start = scanner.next(position, [keyStart]);
    if (start === undefined || start.end > to) return values;
    const middle = scanner.next(start.end, [keyStart, valueStart]);
    position = start.end;
    if (middle?.tag !== valueStart || middle.end > to) continue;
    const end = scanner.next(middle.end, [keyStart, valueEnd]);
    const key = scanner.text.slice(start.end, middle.start);
    const value = scanner.text.slice(middle.end, Math.min(end?.start ?? to, to));
    if (!values.has(key))
      values.set(key, coerceToSchemaType(value, schemaTypes(propertySchema(properties, key))));
    position = end?.tag === keyStart ? end.start : Math.min(end?.end ?? to, to);
  }
}

function isCall(found: FoundCall | FoundError): found is FoundCall {
  return "name" in found;
}

function readAsVllm(text: string, tools: readonly ToolSchema[]): VllmReading {
  const calls = [...readCalls(text, tools)].filter(isCall);
  if (calls.length === 0) return { content: text, calls };
  const before = text.slice(0, text.indexOf(callStart));
  return { content: isBlank(before) ? null : before, calls };
}

function readStrictly({ text, tools, thinking }: StrictInput): StrictReading {
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  for (const found of readCalls(text, tools)) {
    if (isInside(thinking, found.raw[0])) continue;
    if (!isCall(found)) errors.push(found);
    else if (found.name === "")
      errors.push({ reason: "The tool call has no function name.", raw: found.raw });
    else calls.push(found);
  }
  return { calls, errors };
}

function format({ content, toolCalls }: FormattableCompletion): string {
  const calls = toolCalls.map(({ name, arguments: text }) => {
    const parameters = plainArguments(text).map(
      ([key, value]) => `${keyStart}${key}${valueStart}${value}${valueEnd}\n`,
    );
    return `${callStart}${name}\n${parameters.join("")}${callEnd}`;
  });
  return afterContent(content, calls.join("\n"));
}

export const solarOpen2Parser = defineParser({
  name: "solar_open2",
  models: "Solar Open 2",
  limits: [
    "Without the tool's schema every value is a string.",
    `A value can hold none of ${valueEnd}, ${keyStart}, ${callStart} and ${callEnd}.`,
  ],
  stream: { markers: [callStart], content: "trimmed" },
  readAsVllm,
  readStrictly,
  format,
});
