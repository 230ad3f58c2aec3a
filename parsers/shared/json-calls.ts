/** What the formats with calls in JSON share: a call of a parsed value, and the value's text. */
import {
  type PythonJsonOptions,
  type PythonValue,
  pythonJsonDumps,
  tryPythonJsonParse,
} from "../../src/contracts/python-json.ts";

export type JsonCall = { ok: true; name: string; arguments: string } | { ok: false; reason: string };

export type JsonCallShape = {
  /** Default "name". */
  nameKey?: string;
  /** The first of these that is there is taken. Default ["arguments"]. */
  argumentKeys?: readonly string[];
  /** What stands for a name that is missing; undefined = it must be there. */
  missingName?: string;
  /** What stands for arguments that are missing; undefined = they must be there. */
  missingArguments?: PythonValue;
  /** Arguments that the model wrote as a string are taken as they are, not dumped a second time. */
  keepStrings?: boolean;
  /** Arguments must be an object (or its JSON in a string): what strict mode asks for. */
  objectsOnly?: boolean;
};

/** `json.dumps(value, ensure_ascii=False)` */
export function dumpJson(value: PythonValue): string {
  return pythonJsonDumps(value);
}

/** The call that a JSON value describes; `reason` says for the model why it is none. */
export function jsonCall(value: PythonValue, shape: JsonCallShape = {}): JsonCall {
  const { nameKey = "name", argumentKeys = ["arguments"] } = shape;
  if (!(value instanceof Map)) return refuse(`A tool call must be a JSON object, got ${kindOf(value)}.`);
  const name = value.get(nameKey) === undefined ? shape.missingName : value.get(nameKey);
  if (typeof name !== "string") {
    return refuse(`A tool call needs the key "${nameKey}" with a string, got ${kindOf(name)}.`);
  }
  const key = argumentKeys.find((candidate) => value.has(candidate));
  const found = key === undefined ? shape.missingArguments : value.get(key);
  if (found === undefined) return refuse(`The call of "${name}" has no "${argumentKeys[0]}".`);
  if (shape.objectsOnly) return objectArguments(name, found);
  return {
    ok: true,
    name,
    arguments: shape.keepStrings && typeof found === "string" ? found : dumpJson(found),
  };
}

/** Reads the JSON text of one call. */
export function readJsonCall(text: string, shape: JsonCallShape, options?: PythonJsonOptions): JsonCall {
  const read = tryPythonJsonParse(text, options);
  if (!read.ok)
    return refuse(`The tool call is no valid JSON: ${read.message} (at character ${read.position}).`);
  return jsonCall(read.value, shape);
}

/** Strict mode forgives arguments that were written as a string of JSON; any other non-object is an error. */
function objectArguments(name: string, found: PythonValue): JsonCall {
  let value = found;
  if (typeof found === "string") {
    const read = tryPythonJsonParse(found);
    if (read.ok) value = read.value;
  }
  if (value instanceof Map) return { ok: true, name, arguments: dumpJson(value) };
  return refuse(`The arguments of "${name}" must be a JSON object, got ${kindOf(value)}.`);
}

function refuse(reason: string): JsonCall {
  return { ok: false, reason };
}

/** A value's kind in JSON's words. */
export function kindOf(value: PythonValue | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Map) return "an object";
  if (typeof value === "string") return "a string";
  return typeof value === "boolean" ? "a boolean" : "a number";
}
