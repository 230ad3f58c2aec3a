/**
 * Values as a template sees them, with Python's ideas of truth, equality, order and print. Jinja's Undefined is
 * JavaScript's undefined; ints are bigints and floats numbers, as in python-json.ts.
 */
import { type PythonValue, pythonFloatRepr } from "../../contracts/python-json.ts";
import { typeError } from "./template-error.ts";

export type CallArguments = {
  positional: readonly JinjaValue[];
  keyword: ReadonlyMap<string, JinjaValue>;
};

export type JinjaFunction = (call: CallArguments) => JinjaValue;
export type JinjaDict = Map<JinjaValue, JinjaValue>;

export type JinjaValue =
  | undefined
  | null
  | boolean
  | bigint
  | number
  | string
  | JinjaValue[]
  | JinjaDict
  | Tuple
  | Attributes
  | JinjaFunction;

export class Tuple {
  readonly items: readonly JinjaValue[];

  constructor(items: readonly JinjaValue[]) {
    this.items = items;
  }
}

/** An object with attributes only: `namespace(...)` and `loop`. */
export abstract class Attributes {
  abstract readonly kind: string;
  abstract get(name: string): JinjaValue;
}

/** `namespace(...)`: the one thing whose attributes a template may set. */
export class Namespace extends Attributes {
  readonly kind = "namespace";
  readonly #values: Map<string, JinjaValue>;

  constructor(values: Iterable<[string, JinjaValue]>) {
    super();
    this.#values = new Map(values);
  }

  get(name: string): JinjaValue {
    return this.#values.get(name);
  }

  set(name: string, value: JinjaValue): void {
    this.#values.set(name, value);
  }
}

/**
 * A tool call's arguments, read from the model's JSON. A mapping for every template; a template that joins them
 * to text with `+` (DeepSeek-V3's expects a string there) gets the model's own text.
 */
export class JsonArguments extends Map<JinjaValue, JinjaValue> {
  readonly text: string;

  constructor(entries: Iterable<[string, PythonValue]>, text: string) {
    super(entries);
    this.text = text;
  }
}

/** Of a call: the argument at `index`, or the one called `name`. */
export function argument(call: CallArguments, index: number, name: string): JinjaValue {
  return index < call.positional.length ? call.positional[index] : call.keyword.get(name);
}

export function isTruthy(value: JinjaValue): boolean {
  if (value === undefined || value === null || value === false) return false;
  if (typeof value === "string" || Array.isArray(value)) return value.length > 0;
  if (typeof value === "bigint") return value !== 0n;
  if (typeof value === "number") return value !== 0;
  if (value instanceof Map) return value.size > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  return true;
}

/** The name that Python's messages use. */
export function typeName(value: JinjaValue): string {
  if (value === undefined) return "Undefined";
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float";
  if (typeof value === "string") return "str";
  if (Array.isArray(value)) return "list";
  if (value instanceof Map) return "dict";
  if (value instanceof Tuple) return "tuple";
  return value instanceof Attributes ? value.kind : "function";
}

/** Numbers and what counts as one; null for everything else. A bool is an int. */
export function asNumber(value: JinjaValue): bigint | number | null {
  if (typeof value === "boolean") return value ? 1n : 0n;
  return typeof value === "bigint" || typeof value === "number" ? value : null;
}

/** A safe integer for indexes and counts. */
export function asIndex(value: JinjaValue, what: string): number {
  const number = asNumber(value);
  if (typeof number !== "bigint") throw typeError(`${what} must be an integer, not ${typeName(value)}`);
  return Number(number);
}

export function isEqual(left: JinjaValue, right: JinjaValue): boolean {
  if (left === right) return true;
  const [leftNumber, rightNumber] = [asNumber(left), asNumber(right)];
  // biome-ignore lint/suspicious/noDoubleEquals: 1n == 1 is just what Python means.
  if (leftNumber !== null && rightNumber !== null) return leftNumber == rightNumber;
  if (Array.isArray(left)) return Array.isArray(right) && areEqual(left, right);
  if (left instanceof Tuple) return right instanceof Tuple && areEqual(left.items, right.items);
  if (!(left instanceof Map && right instanceof Map) || left.size !== right.size) return false;
  return [...left].every(([key, value]) => right.has(key) && isEqual(value, right.get(key)));
}

function areEqual(left: readonly JinjaValue[], right: readonly JinjaValue[]): boolean {
  return left.length === right.length && left.every((value, index) => isEqual(value, right[index]));
}

/** Negative, zero or positive. Throws for values that Python doesn't order. */
export function compare(left: JinjaValue, right: JinjaValue): number {
  if (typeof left === "string" && typeof right === "string") return compareText(left, right);
  const [leftNumber, rightNumber] = [asNumber(left), asNumber(right)];
  if (leftNumber !== null && rightNumber !== null)
    return leftNumber < rightNumber ? -1 : Number(leftNumber > rightNumber);
  const [leftItems, rightItems] = [sequenceItems(left), sequenceItems(right)];
  if (leftItems === null || rightItems === null || typeName(left) !== typeName(right)) {
    throw typeError(`'<' not supported between instances of '${typeName(left)}' and '${typeName(right)}'`);
  }
  for (const [index, item] of leftItems.entries()) {
    if (index >= rightItems.length) return 1;
    if (!isEqual(item, rightItems[index])) return compare(item, rightItems[index]);
  }
  return leftItems.length - rightItems.length;
}

/** By code point, where JavaScript compares UTF-16 units. */
export function compareText(left: string, right: string): number {
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const [a, b] = [left.charCodeAt(index), right.charCodeAt(index)];
    if (a !== b) return unitRank(a) - unitRank(b);
  }
  return left.length - right.length;
}

/** Halves of pairs stand for code points above all others. */
function unitRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

export function sequenceItems(value: JinjaValue): readonly JinjaValue[] | null {
  if (Array.isArray(value)) return value;
  return value instanceof Tuple ? value.items : null;
}

/** What `for` goes through: characters, items, keys. Undefined is empty. */
export function iterate(value: JinjaValue): readonly JinjaValue[] {
  if (value === undefined) return [];
  if (typeof value === "string") return Array.from(value);
  if (value instanceof Map) return [...value.keys()];
  const items = sequenceItems(value);
  if (items === null) throw typeError(`'${typeName(value)}' object is not iterable`);
  return items;
}

/** `len()`: a string's code points. */
export function lengthOf(value: JinjaValue): number {
  if (value === undefined) return 0;
  if (typeof value === "string") return codePoints(value);
  if (value instanceof Map) return value.size;
  const items = sequenceItems(value);
  if (items === null) throw typeError(`object of type '${typeName(value)}' has no len()`);
  return items.length;
}

function codePoints(text: string): number {
  let count = text.length;
  for (let index = 1; index < text.length; index += 1) {
    const isPair =
      (text.charCodeAt(index) & 0xfc00) === 0xdc00 && (text.charCodeAt(index - 1) & 0xfc00) === 0xd800;
    if (isPair) count -= 1;
  }
  return count;
}

/** `str()`, which is what `{{ }}` prints. */
export function toText(value: JinjaValue): string {
  if (typeof value === "string") return value;
  return value === undefined ? "" : repr(value);
}

/** `repr()`. */
export function repr(value: JinjaValue): string {
  if (value === undefined) return "Undefined";
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return pythonFloatRepr(value);
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (value instanceof Map)
    return `{${[...value].map(([key, item]) => `${repr(key)}: ${repr(item)}`).join(", ")}}`;
  if (value instanceof Tuple)
    return value.items.length === 1 ? `(${repr(value.items[0])},)` : `(${value.items.map(repr).join(", ")})`;
  throw typeError(`a ${typeName(value)} can't be printed`);
}

/** Single quotes unless the text has some and no double ones. */
function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\'"]|[\p{C}\p{Z}]/gu, (character) => {
    if (character === "\\" || character === mark) return `\\${character}`;
    if (character === "'" || character === '"' || character === " ") return character;
    const short = new Map([
      ["\n", "\\n"],
      ["\r", "\\r"],
      ["\t", "\\t"],
    ]).get(character);
    if (short !== undefined) return short;
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
    return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
  return `${mark}${escaped}${mark}`;
}

/** For `tojson`: what JSON can't hold is refused, as json.dumps does. */
export function toPython(value: JinjaValue): PythonValue {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint" || typeof value === "number") return value;
  const items = sequenceItems(value);
  if (items !== null) return items.map(toPython);
  if (value instanceof Map) {
    return new Map(
      [...value].map(([key, item]) => [typeof key === "string" ? key : jsonKey(key), toPython(item)]),
    );
  }
  throw typeError(`Object of type ${typeName(value)} is not JSON serializable`);
}

function jsonKey(key: JinjaValue): string {
  if (key === null) return "null";
  if (typeof key === "boolean") return String(key);
  if (typeof key === "bigint" || typeof key === "number") return repr(key);
  throw typeError(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}
