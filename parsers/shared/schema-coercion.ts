/**
 * Gives the untyped values of XML-like tool calls the types that the tool's schema declares, exactly as vLLM does for
 * all parsers of its engine: a fixed order of types, not the schema's own order, decides which reading wins.
 */
import type { JsonObject, JsonValue, ToolSchema } from "../../src/contracts/chat.ts";
import {
  type PythonDict,
  type PythonValue,
  pythonJsonDumps,
  tryPythonJsonParse,
} from "../../src/contracts/python-json.ts";
import { pythonFloat, pythonInt, pythonStrip } from "./python-text.ts";

const aliases: Readonly<Record<string, string>> = {
  str: "string",
  text: "string",
  varchar: "string",
  char: "string",
  enum: "string",
  int: "integer",
  int32: "integer",
  int64: "integer",
  uint: "integer",
  uint32: "integer",
  uint64: "integer",
  long: "integer",
  short: "integer",
  unsigned: "integer",
  float: "number",
  float32: "number",
  float64: "number",
  double: "number",
  bool: "boolean",
  dict: "object",
  arr: "array",
  list: "array",
  sequence: "array",
};

/** The declared tool of that name; of several, the first. */
export function findTool(tools: readonly ToolSchema[] | undefined, name: string): ToolSchema | undefined {
  return tools?.find((tool) => tool.function.name === name);
}

/** The schemas of a tool's parameters by name; empty for an unknown tool or one without parameters. */
export function toolProperties(tools: readonly ToolSchema[] | undefined, name: string): JsonObject {
  return asObject(asObject(findTool(tools, name)?.function.parameters)?.properties) ?? {};
}

/** The schema of one parameter, undefined where none is declared. */
export function propertySchema(properties: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(properties, key) ? properties[key] : undefined;
}

/** A JSON object, or undefined for anything else. */
export function asObject(value: JsonValue | undefined): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
}

/** Every type that a value of this schema may have, as the schema names them; "string" where it says nothing. */
export function schemaTypes(schema: JsonValue | undefined): Set<string> {
  const types = new Set<string>();
  const object = asObject(schema);
  if (object === undefined) return types.add("string");
  const { type } = object;
  for (const name of Array.isArray(type) ? type : [type]) if (typeof name === "string") types.add(name);
  if (Array.isArray(object.enum)) for (const value of object.enum) types.add(typeOf(value));
  for (const choices of [object.anyOf, object.oneOf, object.allOf]) {
    if (!Array.isArray(choices)) continue;
    for (const choice of choices) for (const name of schemaTypes(choice)) types.add(name);
  }
  return types.size > 0 ? types : types.add("string");
}

function typeOf(value: JsonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/**
 * Reads `text` as the first of null, integer, number, boolean, object, array and string that is among `types` and
 * fits. Where none fits: any JSON, else the text itself. Never throws.
 */
export function coerceToSchemaType(text: string, types: Iterable<string>): PythonValue {
  const wanted = new Set<string>();
  for (const name of types) {
    const key = pythonStrip(name).toLowerCase();
    wanted.add(aliases[key] ?? key);
  }
  if (wanted.has("null") && text.toLowerCase() === "null") return null;
  if (wanted.has("integer")) {
    const integer = pythonInt(text);
    if (integer !== undefined) return integer;
  }
  if (wanted.has("number")) {
    const number = pythonFloat(text);
    if (number !== undefined && Number.isFinite(number)) return wholeAsInteger(number);
  }
  if (wanted.has("boolean")) {
    const flag = pythonStrip(text.toLowerCase());
    if (flag === "true" || flag === "1") return true;
    if (flag === "false" || flag === "0") return false;
  }
  const structured = wanted.has("object") || wanted.has("array");
  if (!structured && wanted.has("string")) return text;
  const json = tryPythonJsonParse(text);
  return json.ok && isFiniteJson(json.value) ? json.value : text;
}

function wholeAsInteger(number: number): bigint | number {
  return Number.isInteger(number) ? BigInt(number) : number;
}

function isFiniteJson(value: PythonValue): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isFiniteJson);
  if (value instanceof Map) return value.values().every(isFiniteJson);
  return true;
}

/** Coerces every declared value of `values` in place, nested ones included; undeclared ones stay as they are. */
export function coerceDict(values: PythonDict, properties: JsonObject): void {
  for (const [key, value] of values) {
    const schema = asObject(propertySchema(properties, key));
    if (schema !== undefined) values.set(key, coerceValue(value, schema));
  }
}

function coerceValue(value: PythonValue, schema: JsonObject): PythonValue {
  if (typeof value === "string") return coerceToSchemaType(value, schemaTypes(schema));
  if (value instanceof Map) {
    const properties = asObject(schema.properties);
    if (properties !== undefined) coerceDict(value, properties);
    return value;
  }
  if (Array.isArray(value)) {
    const items = asObject(schema.items);
    return items === undefined ? value : value.map((item) => coerceValue(item, items));
  }
  // A value of the wrong JSON type is read again from its spelling: a declared string gets "5" for 5.
  return coerceToSchemaType(pythonJsonDumps(value), schemaTypes(schema));
}

/** The same for arguments as text: what is no JSON object, or has no schema, comes back byte for byte. */
export function coerceArgumentsText(
  text: string,
  tools: readonly ToolSchema[] | undefined,
  name: string,
): string {
  const properties = toolProperties(tools, name);
  if (Object.keys(properties).length === 0) return text;
  const read = tryPythonJsonParse(text);
  if (!read.ok || !(read.value instanceof Map)) return text;
  const before = pythonJsonDumps(read.value);
  coerceDict(read.value, properties);
  const after = pythonJsonDumps(read.value);
  return after === before ? text : after;
}
