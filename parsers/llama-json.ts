/**
 * Llama 3 and 4's JSON calls: bare objects, perhaps after `<|python_tag|>`, perhaps separated by semicolons. Nothing
 * marks a call but its keys, so vLLM takes every brace of a text for one, or gives all of them up.
 */
import { rawDecode } from "../src/contracts/python-json.ts";
import {
  type DefinedParser,
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { callValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { jsonCall } from "./shared/json-calls.ts";
import { isInside } from "./shared/thinking-spans.ts";

const pythonTag = "<|python_tag|>";
const shape = { argumentKeys: ["arguments", "parameters"] };

export const llama3JsonParser = llamaJson("llama3_json", ["llama", "llama3"], "Llama 3.1, 3.2, 3.3");
export const llama4JsonParser = llamaJson("llama4_json", [], "Llama 4");

function llamaJson(name: string, aliases: readonly string[], models: string): DefinedParser {
  return defineParser({
    name,
    aliases,
    models,
    limits: ["Text beside calls: vLLM loses it."],
    stream: { markers: ["{", pythonTag], content: "trimmed", strictOnly: true },
    readAsVllm,
    readStrictly,
    format: ({ content, toolCalls }) => {
      const calls = toolCalls.map((call) =>
        dumpJsonWithout(callValue(call, ["name", "parameters"]), [pythonTag]),
      );
      return (content ?? "") + (calls.length > 0 ? pythonTag : "") + calls.join("; ");
    },
  });
}

function readAsVllm(text: string): VllmReading {
  const calls: FoundCall[] = [];
  let end = -1;
  for (let start = text.indexOf("{"); start >= 0; start = text.indexOf("{", Math.max(start, end) + 1)) {
    const decoded = rawDecode(text, start);
    const call = decoded.ok
      ? jsonCall(decoded.value, shape)
      : ({ ok: false, reason: `The tool call is no valid JSON: ${decoded.message}.` } as const);
    if (!decoded.ok || !call.ok) {
      const reason = call.ok ? "" : call.reason;
      return { content: text, calls: [], errors: [{ reason, raw: [start, text.length] }] };
    }
    end = decoded.end;
    calls.push({ name: call.name, arguments: call.arguments, raw: [start, end] });
  }
  return calls.length > 0 ? { content: null, calls } : { content: text, calls };
}

/** JSON without the keys of a call is text; broken JSON is an error only where it begins like a call. */
function readStrictly({ text, thinking }: StrictInput): StrictReading {
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  for (let start = text.indexOf("{"); start >= 0; ) {
    let next = start + 1;
    if (!isInside(thinking, start)) {
      const decoded = rawDecode(text, start);
      if (!decoded.ok) {
        next = Math.max(next, decoded.reached);
        if (callBeginning.test(text.slice(start, start + 200))) {
          const reason = `The tool call is no valid JSON: ${decoded.message}.`;
          errors.push({ reason, raw: [start, next] });
        }
      } else {
        next = decoded.end;
        const value = decoded.value;
        const meant =
          value instanceof Map && value.has("name") && shape.argumentKeys.some((key) => value.has(key));
        const call = jsonCall(value, { ...shape, objectsOnly: true });
        if (call.ok) calls.push({ name: call.name, arguments: call.arguments, raw: [start, next] });
        else if (meant) errors.push({ reason: call.reason, raw: [start, next] });
      }
    }
    start = text.indexOf("{", next);
  }
  return { calls, errors, markup: markup(text, calls) };
}

const callBeginning = /^\{\s*"(?:name|arguments|parameters)"/;

/** The tag before a call, and the semicolon between two. */
function markup(text: string, calls: readonly FoundCall[]): Span[] {
  const spans: Span[] = [];
  let previous: number | undefined;
  for (const { raw } of calls) {
    const from = previous ?? Math.max(0, raw[0] - 200);
    const before = text.slice(from, raw[0]);
    const found = previous === undefined ? undefined : /^\s*;\s*(?:<\|python_tag\|>)?\s*$/.exec(before);
    const tag = /<\|python_tag\|>\s*$/.exec(before);
    if (found) spans.push([from, raw[0]]);
    else if (tag) spans.push([raw[0] - tag[0].length, raw[0]]);
    previous = raw[1];
  }
  return spans;
}
