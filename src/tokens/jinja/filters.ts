/** Jinja's filters, and `tojson` as transformers overrides it: `json.dumps(value, ensure_ascii=False)`. */
import { pythonJsonDumps } from "../../contracts/python-json.ts";
import { entriesOf, getPath } from "./lookup.ts";
import { binaryOperators } from "./operators.ts";
import { capitalize, percentFormat, replaceText, strip, textOf, title } from "./python-text.ts";
import { TemplateError, typeError } from "./template-error.ts";
import { type JinjaTest, tests } from "./tests.ts";
import {
  argument,
  asIndex,
  asNumber,
  type CallArguments,
  compare,
  isEqual,
  isTruthy,
  iterate,
  type JinjaValue,
  lengthOf,
  Tuple,
  toPython,
  toText,
  typeName,
} from "./values.ts";

/** `call` holds what stands in the brackets, without the filtered value. */
export type JinjaFilter = (value: JinjaValue, call: CallArguments) => JinjaValue;

const noArguments: CallArguments = { positional: [], keyword: new Map() };

/** Compile-time lookup: a template that names an unknown filter is no template. */
export function findFilter(name: string): JinjaFilter {
  const filter = filters.get(name);
  if (filter === undefined) throw new TemplateError("syntax", `No filter named '${name}'.`);
  return filter;
}

function toJson(value: JinjaValue, call: CallArguments): string {
  const indent = argument(call, 1, "indent");
  const separators = argument(call, 2, "separators");
  const [item, key] = separators === undefined || separators === null ? [] : iterate(separators);
  return pythonJsonDumps(toPython(value), {
    ensureAscii: isTruthy(argument(call, 0, "ensure_ascii")),
    ...(typeof indent === "string" ? { indent } : {}),
    ...(typeof indent === "bigint" ? { indent: Number(indent) } : {}),
    ...(item === undefined ? {} : { separators: [toText(item), toText(key)] }),
    sortKeys: isTruthy(argument(call, 3, "sort_keys")),
  });
}

function indent(value: JinjaValue, call: CallArguments): string {
  const width = argument(call, 0, "width") ?? 4n;
  const margin = typeof width === "string" ? width : " ".repeat(asIndex(width, "width"));
  const first = isTruthy(argument(call, 1, "first"));
  const blank = isTruthy(argument(call, 2, "blank"));
  const lines = toText(value).split("\n");
  return lines
    .map((line, index) => ((index > 0 || first) && (line !== "" || blank) ? margin + line : line))
    .join("\n");
}

/** Jinja compares text without regard to case unless `case_sensitive`. */
function sortKey(call: CallArguments, index: number): (value: JinjaValue) => JinjaValue {
  const sensitive = isTruthy(argument(call, index, "case_sensitive"));
  const attribute = call.keyword.get("attribute");
  return (value) => {
    const key = attribute === undefined || attribute === null ? value : getPath(value, attribute);
    return typeof key === "string" && !sensitive ? key.toLowerCase() : key;
  };
}

function sort(value: JinjaValue, call: CallArguments): JinjaValue[] {
  const key = sortKey(call, 1);
  const sorted = iterate(value).toSorted((a, b) => compare(key(a), key(b)));
  if (!isTruthy(argument(call, 0, "reverse"))) return sorted;
  return iterate(value).toSorted((a, b) => compare(key(b), key(a)));
}

function dictsort(value: JinjaValue, call: CallArguments): JinjaValue[] {
  if (!(value instanceof Map)) throw typeError(`dictsort needs a dict, not ${typeName(value)}`);
  const sensitive = isTruthy(argument(call, 0, "case_sensitive"));
  const position = argument(call, 1, "by") === "value" ? 1 : 0;
  const direction = isTruthy(argument(call, 2, "reverse")) ? -1 : 1;
  const key = (pair: readonly JinjaValue[]) => {
    const chosen = pair[position];
    return typeof chosen === "string" && !sensitive ? chosen.toLowerCase() : chosen;
  };
  return [...value].toSorted((a, b) => direction * compare(key(a), key(b))).map((pair) => new Tuple(pair));
}

/** `select`, `reject` and their attr forms; without a test, truth decides. */
function selecting(keeps: boolean, byAttribute: boolean): JinjaFilter {
  return (value, { positional }) => {
    const [path, name, ...more] = byAttribute ? positional : [undefined, ...positional];
    const test = name === undefined ? isTruthy : findTest(toText(name));
    return iterate(value).filter((item) => test(byAttribute ? getPath(item, path) : item, ...more) === keeps);
  };
}

function findTest(name: string): JinjaTest {
  const test = tests.get(name);
  if (test === undefined) throw typeError(`No test named '${name}'.`);
  return test;
}

function map(value: JinjaValue, { positional, keyword }: CallArguments): JinjaValue[] {
  const attribute = keyword.get("attribute");
  if (attribute !== undefined) {
    return iterate(value).map((item) => getPath(item, attribute) ?? keyword.get("default"));
  }
  const [name, ...more] = positional;
  const filter = findFilter(toText(name));
  return iterate(value).map((item) => filter(item, { positional: more, keyword }));
}

function unique(value: JinjaValue, call: CallArguments): JinjaValue[] {
  const key = sortKey(call, 0);
  const seen: JinjaValue[] = [];
  return iterate(value).filter((item) => {
    const wanted = key(item);
    if (seen.some((each) => isEqual(each, wanted))) return false;
    seen.push(wanted);
    return true;
  });
}

function groupby(value: JinjaValue, call: CallArguments): JinjaValue[] {
  const path = argument(call, 0, "attribute");
  const sorted = iterate(value).toSorted((a, b) => compare(getPath(a, path), getPath(b, path)));
  const groups: [JinjaValue, JinjaValue[]][] = [];
  for (const item of sorted) {
    const key = getPath(item, path);
    const last = groups.at(-1);
    if (last !== undefined && isEqual(last[0], key)) last[1].push(item);
    else groups.push([key, [item]]);
  }
  return groups.map((group) => new Tuple(group));
}

function extreme(direction: 1 | -1): JinjaFilter {
  return (value, call) => {
    const key = sortKey(call, 0);
    let best: JinjaValue;
    for (const [index, item] of iterate(value).entries()) {
      if (index === 0 || direction * compare(key(item), key(best)) > 0) best = item;
    }
    return best;
  };
}

function join(value: JinjaValue, call: CallArguments): string {
  const attribute = argument(call, 1, "attribute");
  const items = iterate(value).map((item) =>
    toText(attribute === undefined || attribute === null ? item : getPath(item, attribute)),
  );
  return items.join(toText(argument(call, 0, "d")));
}

function toInt(value: JinjaValue, call: CallArguments): JinjaValue {
  const number = asNumber(value);
  if (typeof number === "bigint") return number;
  if (number !== null && Number.isFinite(number)) return BigInt(Math.trunc(number));
  const text = strip(toText(value), undefined, "both").replaceAll("_", "");
  if (/^[+-]?\d+$/.test(text)) return BigInt(text.replace(/^\+/, ""));
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return BigInt(Math.trunc(Number(text)));
  return argument(call, 0, "default") ?? 0n;
}

function toFloat(value: JinjaValue, call: CallArguments): JinjaValue {
  const number = asNumber(value);
  if (number !== null) return Number(number);
  const text = strip(toText(value), undefined, "both");
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : (argument(call, 0, "default") ?? 0);
}

/** Python rounds halves to the even neighbour. */
function round(value: JinjaValue, call: CallArguments): JinjaValue {
  const number = asNumber(value);
  if (number === null) throw typeError(`type ${typeName(value)} doesn't define __round__ method`);
  const scale = 10 ** asIndex(argument(call, 0, "precision") ?? 0n, "precision");
  const method = argument(call, 1, "method") ?? "common";
  const scaled = Number(number) * scale;
  if (method === "ceil") return Math.ceil(scaled) / scale;
  if (method === "floor") return Math.floor(scaled) / scale;
  const floor = Math.floor(scaled);
  const isHalf = scaled - floor === 0.5;
  const rounded = isHalf ? floor + (floor % 2 === 0 ? 0 : 1) : Math.round(scaled);
  return typeof number === "bigint" ? number : rounded / scale;
}

function reverse(value: JinjaValue): JinjaValue {
  return typeof value === "string" ? Array.from(value).reverse().join("") : iterate(value).toReversed();
}

function truncate(value: JinjaValue, call: CallArguments): string {
  const points = Array.from(toText(value));
  const length = asIndex(argument(call, 0, "length") ?? 255n, "length");
  const end = toText(argument(call, 2, "end") ?? "...");
  const leeway = asIndex(argument(call, 3, "leeway") ?? 5n, "leeway");
  if (points.length <= length + leeway) return points.join("");
  const cut = points.slice(0, length - lengthOf(end)).join("");
  if (isTruthy(argument(call, 1, "killwords"))) return cut + end;
  const space = cut.lastIndexOf(" ");
  return (space < 0 ? cut : cut.slice(0, space)) + end;
}

function escapeHtml(value: JinjaValue): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "'": "&#39;",
    '"': "&#34;",
  };
  return toText(value).replace(/[&<>'"]/g, (sign) => entities[sign] ?? sign);
}

function withDefault(value: JinjaValue, call: CallArguments): JinjaValue {
  const isMissing = isTruthy(argument(call, 1, "boolean")) ? !isTruthy(value) : value === undefined;
  return isMissing ? (argument(call, 0, "default_value") ?? "") : value;
}

function sum(value: JinjaValue, call: CallArguments): JinjaValue {
  const attribute = argument(call, 0, "attribute");
  const add = binaryOperators.get("+");
  let total: JinjaValue = argument(call, 1, "start") ?? 0n;
  for (const item of iterate(value)) {
    total = add?.(total, attribute === undefined || attribute === null ? item : getPath(item, attribute));
  }
  return total;
}

function list(value: JinjaValue): JinjaValue[] {
  return [...iterate(value)];
}

const filters: ReadonlyMap<string, JinjaFilter> = new Map<string, JinjaFilter>([
  ["abs", (value) => (compare(value, 0n) < 0 ? (binaryOperators.get("-")?.(0n, value) ?? value) : value)],
  ["attr", (value, call) => getPath(value, call.positional[0])],
  ["capitalize", (value) => capitalize(toText(value))],
  ["count", (value) => BigInt(lengthOf(value))],
  ["d", withDefault],
  ["default", withDefault],
  ["dictsort", dictsort],
  ["e", escapeHtml],
  ["escape", escapeHtml],
  ["first", (value) => iterate(value)[0]],
  ["float", toFloat],
  ["format", (value, { positional }) => percentFormat(toText(value), positional)],
  ["groupby", groupby],
  ["indent", indent],
  ["int", toInt],
  [
    "items",
    (value) =>
      value === undefined
        ? []
        : entriesOf({ ...noArguments, positional: [value] }).map((pair) => new Tuple(pair)),
  ],
  ["join", join],
  ["last", (value) => iterate(value).at(-1)],
  ["length", (value) => BigInt(lengthOf(value))],
  ["list", list],
  ["lower", (value) => toText(value).toLowerCase()],
  ["map", map],
  ["max", extreme(1)],
  ["min", extreme(-1)],
  ["reject", selecting(false, false)],
  ["rejectattr", selecting(false, true)],
  [
    "replace",
    (value, call) =>
      replaceText(
        toText(value),
        textOf(argument(call, 0, "old"), "old"),
        textOf(argument(call, 1, "new"), "new"),
        asIndex(argument(call, 2, "count") ?? -1n, "count"),
      ),
  ],
  ["reverse", reverse],
  ["round", round],
  ["safe", (value) => toText(value)],
  ["select", selecting(true, false)],
  ["selectattr", selecting(true, true)],
  ["sort", sort],
  ["string", (value) => toText(value)],
  ["sum", sum],
  ["title", (value) => title(toText(value))],
  ["tojson", toJson],
  ["trim", (value, call) => strip(toText(value), argument(call, 0, "chars"), "both")],
  ["truncate", truncate],
  ["unique", unique],
  ["upper", (value) => toText(value).toUpperCase()],
  ["wordcount", (value) => BigInt((toText(value).match(/\w+/g) ?? []).length)],
]);
