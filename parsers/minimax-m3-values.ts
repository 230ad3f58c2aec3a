/**
 * How MiniMax M3's arguments get their types. vLLM reads this format in Rust, whose rules are its own: integers have
 * 64 bits, numbers keep their point, elements in elements become objects or, by the schema, arrays.
 */
import type { JsonObject, JsonValue } from "../src/contracts/chat.ts";
import { type PythonDict, type PythonValue, tryPythonJsonParse } from "../src/contracts/python-json.ts";
import { asObject, propertySchema } from "./shared/schema-coercion.ts";

/** What stands inside an element: text, or other elements. */
export type M3Body = string | M3Element[];
export type M3Element = { name: string; body: M3Body };

type ParameterType =
  | { kind: "string" | "integer" | "number" | "boolean" | "null" }
  | { kind: "object"; schema: JsonObject }
  | { kind: "array"; items: JsonValue | undefined }
  | { kind: "union"; types: ParameterType[] };

const kinds = new Map<string, ParameterType["kind"]>([
  ...["string", "str", "text", "varchar", "char", "enum"].map((name) => [name, "string"] as const),
  ...["boolean", "bool", "binary"].map((name) => [name, "boolean"] as const),
  ...["object", "map"].map((name) => [name, "object"] as const),
  ...["array", "arr", "sequence"].map((name) => [name, "array"] as const),
  ["double", "number"],
  ["null", "null"],
]);
const prefixes: readonly (readonly [RegExp, ParameterType["kind"]])[] = [
  [/^(?:int|uint|long|short|unsigned)/, "integer"],
  [/^(?:num|float)/, "number"],
  [/^dict/, "object"],
  [/^list/, "array"],
];

function namedType(name: string, schema: JsonObject): ParameterType | undefined {
  const key = name.trim().toLowerCase();
  const kind = kinds.get(key) ?? prefixes.find(([prefix]) => prefix.test(key))?.[1];
  if (kind === undefined || kind === "union") return undefined;
  if (kind === "object") return { kind, schema };
  return kind === "array" ? { kind, items: schema.items } : { kind };
}

function typeOf(value: JsonValue | undefined): ParameterType | undefined {
  const schema = asObject(value);
  if (schema === undefined) return undefined;
  const { type, enum: choices } = schema;
  if (type !== undefined) {
    if (typeof type === "string") return namedType(type, schema);
    return union(
      (Array.isArray(type) ? type : []).map((name) =>
        typeof name === "string" ? namedType(name, schema) : undefined,
      ),
    );
  }
  const composite = schema.anyOf ?? schema.oneOf;
  if (composite !== undefined) {
    return union((Array.isArray(composite) ? composite : []).map(typeOf)) ?? { kind: "object", schema };
  }
  if (Array.isArray(choices))
    return choices.includes(null) ? union([{ kind: "string" }, { kind: "null" }]) : { kind: "string" };
  if (Object.hasOwn(schema, "items")) return { kind: "array", items: schema.items };
  const isObject = Object.hasOwn(schema, "properties") || Object.hasOwn(schema, "additionalProperties");
  return isObject ? { kind: "object", schema } : undefined;
}

function union(members: readonly (ParameterType | undefined)[]): ParameterType | undefined {
  const types = members.filter((member) => member !== undefined);
  return types.length > 1 ? { kind: "union", types } : types[0];
}

/** The value of a parameter, by its schema if there is one. */
export function m3Value(body: M3Body, schema: JsonValue | undefined): PythonValue {
  const type = typeOf(schema);
  if (typeof body === "string" && body.toLowerCase() === "null" && !(type && admitsString(type))) return null;
  const typed = type === undefined ? undefined : tryType(type, body);
  if (typed !== undefined) return typed;
  return typeof body === "string" ? body : objectOf(body, {});
}

function admitsString(type: ParameterType): boolean {
  return type.kind === "string" || (type.kind === "union" && type.types.some(admitsString));
}

function tryType(type: ParameterType, body: M3Body): PythonValue | undefined {
  if (typeof body === "string") return tryText(type, body);
  if (type.kind === "object") return objectOf(body, type.schema);
  if (type.kind === "array") return body.map((element) => m3Value(element.body, type.items));
  if (type.kind === "union") return firstOf(type.types, (member) => tryType(member, body));
  return undefined;
}

function firstOf(
  types: readonly ParameterType[],
  read: (type: ParameterType) => PythonValue | undefined,
): PythonValue | undefined {
  for (const type of types) {
    const value = read(type);
    if (value !== undefined) return value;
  }
  return undefined;
}

const order: readonly ParameterType["kind"][] = [
  "null",
  "integer",
  "number",
  "boolean",
  "object",
  "array",
  "string",
];

function tryText(type: ParameterType, text: string): PythonValue | undefined {
  switch (type.kind) {
    case "string":
      return text;
    case "integer":
      return integer64(text);
    case "number":
      return numberOf(text);
    case "boolean": {
      const flag = text.trim().toLowerCase();
      if (flag === "true" || flag === "1") return true;
      return flag === "false" || flag === "0" ? false : undefined;
    }
    case "null":
      return text.toLowerCase() === "null" ? null : undefined;
    case "object":
      return text === "" ? new Map() : json(text);
    case "array":
      return text === "" ? [] : json(text);
    case "union": {
      const members = flatten(type.types).toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
      return firstOf(members, (member) => tryText(member, text));
    }
    default:
      return type satisfies never;
  }
}

function flatten(types: readonly ParameterType[]): ParameterType[] {
  return types.flatMap((type) => (type.kind === "union" ? flatten(type.types) : [type]));
}

function integer64(text: string): bigint | undefined {
  if (!/^[+-]?\d{1,40}$/.test(text)) return undefined;
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

function numberOf(text: string): bigint | number | undefined {
  const read = json(text);
  if (typeof read === "bigint" || typeof read === "number") return read;
  if (/^[+-]?\d+$/.test(text)) return integer64(text) ?? Number(text);
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text))
    ? Number(text)
    : undefined;
}

/** Rust's JSON knows neither NaN nor integers of more than 64 bits. */
function json(text: string): PythonValue | undefined {
  const read = tryPythonJsonParse(text);
  return read.ok ? rustValue(read.value) : undefined;
}

function rustValue(value: PythonValue): PythonValue | undefined {
  if (typeof value === "bigint") {
    return value >= -(2n ** 63n) && value < 2n ** 64n ? value : Number(value);
  }
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (Array.isArray(value)) {
    const items = value.map(rustValue).filter((item) => item !== undefined);
    return items.length === value.length ? items : undefined;
  }
  if (!(value instanceof Map)) return value;
  const entries: [string, PythonValue][] = [];
  for (const [key, item] of value) {
    const read = rustValue(item);
    if (read === undefined) return undefined;
    entries.push([key, read]);
  }
  return new Map(entries);
}

/** Several elements of one name become an array. */
function objectOf(elements: readonly M3Element[], schema: JsonObject): PythonDict {
  const properties = asObject(schema.properties) ?? {};
  const others = asObject(schema.additionalProperties);
  const values: PythonDict = new Map();
  for (const { name, body } of elements) {
    const own = propertySchema(properties, name);
    const value = m3Value(body, typeOf(own) === undefined ? others : own);
    const before = values.get(name);
    if (!values.has(name)) values.set(name, value);
    else if (Array.isArray(before)) before.push(value);
    else if (before !== undefined) values.set(name, [before, value]);
  }
  return values;
}
