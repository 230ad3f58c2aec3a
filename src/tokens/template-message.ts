/**
 * A message as chat templates want it: tool-call arguments as a mapping, where the wire has text. They are read
 * as Python reads JSON, so that `1.0` and long integers come out of `tojson` as the model wrote them.
 */
import type { ChatMessage, JsonValue } from "../contracts/chat.ts";
import { toPythonValue, tryPythonJsonParse } from "../contracts/python-json.ts";
import { type JinjaDict, type JinjaValue, JsonArguments } from "./jinja/values.ts";

/**
 * Arguments that are no JSON object stay text. `takesNone: false` gives a message without content an empty one,
 * as inference servers do for templates that would stumble over None.
 */
export function templateMessage(message: ChatMessage, { takesNone }: { takesNone: boolean }): JinjaValue {
  const entries = Object.entries(message).filter(([, value]) => value !== undefined);
  const dict: JinjaDict = new Map(
    entries.map(([key, value]) => {
      if (key === "tool_calls" && Array.isArray(value)) return [key, value.map(toolCall)];
      return [key, fromJson(value)];
    }),
  );
  if (!takesNone && message.content === null) dict.set("content", "");
  return dict;
}

function toolCall(call: unknown): JinjaValue {
  const dict = fromJson(call);
  const called = dict instanceof Map ? dict.get("function") : undefined;
  if (called instanceof Map) {
    const written = called.get("arguments");
    if (typeof written === "string") called.set("arguments", readArguments(written));
  }
  return dict;
}

function readArguments(text: string): JinjaValue {
  const parsed = tryPythonJsonParse(text);
  return parsed.ok && parsed.value instanceof Map ? new JsonArguments(parsed.value, text) : text;
}

/** Messages come as JSON, though their types are narrower. */
function fromJson(value: unknown): JinjaValue {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === "object" && value !== null) {
    return new Map(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => [key, fromJson(item)]),
    );
  }
  return isScalar(value) ? toScalar(value) : undefined;
}

function isScalar(value: unknown): value is Exclude<JsonValue, object> | null {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function toScalar(value: Exclude<JsonValue, object> | null): JinjaValue {
  const python = toPythonValue(value);
  return typeof python === "object" && python !== null ? undefined : python;
}
