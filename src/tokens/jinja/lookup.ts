/**
 * `a.b`, `a["b"]` and `a[1:2]` as Jinja looks them up: `.b` asks for a method first and a key then, `["b"]` the
 * other way round, so that a tool parameter called "items" doesn't hide the dict's `items()`. What isn't there
 * is undefined, and looking into undefined is an error. Methods that would change a value are refused, as
 * transformers' sandbox does.
 */
import { textMethod } from "./python-text.ts";
import { type TemplateError, typeError } from "./template-error.ts";
import {
  Attributes,
  argument,
  asIndex,
  asNumber,
  type CallArguments,
  isEqual,
  iterate,
  type JinjaDict,
  type JinjaFunction,
  type JinjaValue,
  sequenceItems,
  Tuple,
  toText,
  typeName,
} from "./values.ts";

export function getAttribute(object: JinjaValue, name: string, what: () => string): JinjaValue {
  if (object instanceof Attributes) return object.get(name);
  const method = methodOf(object, name);
  if (method !== undefined) return method;
  if (object instanceof Map) return object.get(name);
  if (object === undefined) throw undefinedError(what());
  return undefined;
}

export function getItem(object: JinjaValue, key: JinjaValue, what: () => string): JinjaValue {
  if (object === undefined) throw undefinedError(what());
  if (object instanceof Map) {
    const found = object.get(key);
    if (found !== undefined || object.has(key)) return found;
  }
  if (typeof key === "string") {
    return object instanceof Attributes ? object.get(key) : methodOf(object, key);
  }
  if (typeof key !== "bigint" && typeof key !== "boolean") return undefined;
  const index = asIndex(key, "index");
  if (typeof object === "string") return Array.from(object).at(index);
  return sequenceItems(object)?.at(index);
}

function undefinedError(what: string): TemplateError {
  return typeError(`'${what}' is undefined`);
}

/** Python's `value[start:stop:step]`. */
export function slice(value: JinjaValue, bounds: readonly JinjaValue[]): JinjaValue {
  const items = typeof value === "string" ? Array.from(value) : sequenceItems(value);
  if (items === null) throw typeError(`'${typeName(value)}' object can't be sliced`);
  const taken = sliceItems(
    items,
    bounds.map((bound) => toBound(bound)),
  );
  if (typeof value === "string") return taken.map(toText).join("");
  return value instanceof Tuple ? new Tuple(taken) : taken;
}

function toBound(bound: JinjaValue): number | undefined {
  return bound === undefined || bound === null ? undefined : asIndex(bound, "slice index");
}

function sliceItems(
  items: readonly JinjaValue[],
  [start, stop, step = 1]: readonly (number | undefined)[],
): JinjaValue[] {
  if (step === 0) throw typeError("slice step cannot be zero");
  const { length } = items;
  const clamp = (bound: number | undefined, fallback: number) => {
    if (bound === undefined) return fallback;
    const counted = bound < 0 ? bound + length : bound;
    return step > 0 ? Math.min(Math.max(counted, 0), length) : Math.min(Math.max(counted, -1), length - 1);
  };
  const first = clamp(start, step > 0 ? 0 : length - 1);
  const end = clamp(stop, step > 0 ? length : -1);
  const taken: JinjaValue[] = [];
  for (let index = first; step > 0 ? index < end : index > end; index += step) taken.push(items[index]);
  return taken;
}

type Method<T> = (value: T, call: CallArguments) => JinjaValue;

const dictMethods: ReadonlyMap<string, Method<JinjaDict>> = new Map<string, Method<JinjaDict>>([
  ["get", (dict, call) => dictGet(dict, call)],
  ["items", (dict) => [...dict].map((pair) => new Tuple(pair))],
  ["keys", (dict) => [...dict.keys()]],
  ["values", (dict) => [...dict.values()]],
  ["copy", (dict) => new Map(dict)],
]);

const listMethods: ReadonlyMap<string, Method<readonly JinjaValue[]>> = new Map<
  string,
  Method<readonly JinjaValue[]>
>([
  ["count", (list, call) => BigInt(list.filter((item) => isEqual(item, call.positional[0])).length)],
  ["index", (list, call) => indexIn(list, call.positional[0])],
  ["copy", (list) => [...list]],
]);

const changing: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["dict", new Set(["clear", "pop", "popitem", "setdefault", "update"])],
  ["list", new Set(["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"])],
]);

function methodOf(object: JinjaValue, name: string): JinjaFunction | undefined {
  if (typeof object === "string") return textMethod(object, name);
  const type = typeName(object);
  if (changing.get(type)?.has(name)) return () => refuseChange(type, name);
  if (object instanceof Map) return bind(dictMethods.get(name), object);
  const items = sequenceItems(object);
  return items === null ? undefined : bind(listMethods.get(name), items);
}

function bind<T>(method: Method<T> | undefined, value: T): JinjaFunction | undefined {
  return method && ((call) => method(value, call));
}

function refuseChange(type: string, name: string): never {
  throw typeError(`access to attribute '${name}' of '${type}' object is unsafe: templates change no values`);
}

function dictGet(dict: JinjaDict, call: CallArguments): JinjaValue {
  const key = call.positional[0];
  if (dict.has(key)) return dict.get(key);
  const fallback = argument(call, 1, "default");
  return fallback === undefined ? null : fallback;
}

function indexIn(list: readonly JinjaValue[], wanted: JinjaValue): bigint {
  const index = list.findIndex((item) => isEqual(item, wanted));
  if (index < 0) throw typeError("the value is not in the list");
  return BigInt(index);
}

/** `range(stop)`, `range(start, stop, step)`, as a list. */
export function range({ positional }: CallArguments): JinjaValue {
  const numbers = positional.map((value) => asIndex(value, "range() argument"));
  const [start = 0, stop = 0, step = 1] = numbers.length === 1 ? [0, ...numbers] : numbers;
  if (step === 0) throw typeError("range() arg 3 must not be zero");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  // Jinja's sandbox has this limit, too.
  if (length > 100_000) throw typeError("range() is too big: more than 100000 items");
  return Array.from({ length }, (_, index) => BigInt(start + index * step));
}

/** A value at a dotted path, as `map(attribute="function.name")` takes it. */
export function getPath(object: JinjaValue, path: JinjaValue): JinjaValue {
  if (asNumber(path) !== null) return getItem(object, path, () => toText(path));
  let value = object;
  for (const part of toText(path).split(".")) {
    const key = /^\d+$/.test(part) ? BigInt(part) : part;
    value = getItem(value, key, () => part);
  }
  return value;
}

/** What `namespace(a=1)` and `dict(a=1)` are made from. */
export function entriesOf({ positional, keyword }: CallArguments): [string, JinjaValue][] {
  const [first] = positional;
  const pairs: JinjaValue[] =
    first instanceof Map ? [...first].map((pair) => new Tuple(pair)) : [...iterate(first)];
  const given = pairs.map((pair): [string, JinjaValue] => {
    const [key, value] = iterate(pair);
    return [toText(key), value];
  });
  return [...given, ...keyword];
}
