/** Python's str methods that chat templates use; text is counted in code points, as Python does. */

import { typeError } from "./template-error.ts";
import {
  argument,
  asIndex,
  asNumber,
  type CallArguments,
  iterate,
  type JinjaValue,
  lengthOf,
  Tuple,
  toText,
  typeName,
} from "./values.ts";

/** What `str.strip()` strips: unlike JavaScript's trim, U+001C to U+001F and U+0085 too, but not U+FEFF. */
const space = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const isSpace = new RegExp(`^[${space}]+$`);
const words = new RegExp(`[^${space}]+`, "g");
const lineBreaks = String.raw`\n\r\v\f\x1c-\x1e\x85\u2028\u2029`;
const lineEnd = new RegExp(`\r\n|[${lineBreaks}]`, "g");

export type Side = "left" | "right" | "both";

/** `strip`, `lstrip` and `rstrip`: `letters` is a set of characters, not a prefix. */
export function strip(text: string, letters: JinjaValue, side: Side): string {
  if (letters !== undefined && letters !== null && typeof letters !== "string") {
    throw typeError(`strip arg must be None or str, not ${typeName(letters)}`);
  }
  const points = Array.from(text);
  const isStripped =
    typeof letters === "string"
      ? (letter: string) => letters.includes(letter)
      : (letter: string) => isSpace.test(letter);
  let start = 0;
  let end = points.length;
  if (side !== "right") while (start < end && isStripped(points[start] ?? "")) start += 1;
  if (side !== "left") while (end > start && isStripped(points[end - 1] ?? "")) end -= 1;
  return start === 0 && end === points.length ? text : points.slice(start, end).join("");
}

export function capitalize(text: string): string {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("").toLowerCase();
}

export function title(text: string): string {
  return text.toLowerCase().replace(/\p{L}+/gu, (word) => {
    const [first = "", ...rest] = word;
    return first.toUpperCase() + rest.join("");
  });
}

/** `str.replace`; `count` below 0 replaces all. */
export function replaceText(text: string, from: string, to: string, count: number): string {
  if (count < 0) return text.replaceAll(from, () => to);
  let result = "";
  let rest = text;
  for (let done = 0; done < count; done += 1) {
    const at = rest.indexOf(from);
    if (at < 0) break;
    const kept = from === "" ? (Array.from(rest)[0] ?? "") : rest.slice(0, at);
    if (from === "") {
      result += to + kept;
      rest = rest.slice(kept.length);
      if (kept === "") break;
    } else {
      result += kept + to;
      rest = rest.slice(at + from.length);
    }
  }
  return result + rest;
}

export function splitText(
  text: string,
  separator: JinjaValue,
  limit: number,
  from: "left" | "right",
): string[] {
  if (separator === undefined || separator === null) return splitWords(text, limit, from);
  const parts = text.split(textOf(separator, "separator"));
  if (separator === "") throw typeError("empty separator");
  if (limit < 0 || parts.length <= limit + 1) return parts;
  if (from === "left") return [...parts.slice(0, limit), parts.slice(limit).join(`${separator}`)];
  const kept = parts.length - limit;
  return [parts.slice(0, kept).join(`${separator}`), ...parts.slice(kept)];
}

/** Without a separator: runs of white space part, and none is left at the ends. */
function splitWords(text: string, limit: number, from: "left" | "right"): string[] {
  const found = [...text.matchAll(words)];
  if (limit < 0 || found.length <= limit) return found.map(([word]) => word);
  if (from === "left") {
    const rest = text.slice(found[limit]?.index ?? 0);
    return [...found.slice(0, limit).map(([word]) => word), rest];
  }
  const lastKept = found[found.length - limit - 1];
  const end = (lastKept?.index ?? 0) + (lastKept?.[0].length ?? 0);
  return [text.slice(0, end), ...found.slice(found.length - limit).map(([word]) => word)];
}

export function textOf(value: JinjaValue, what: string): string {
  if (typeof value === "string") return value;
  throw typeError(`${what} must be str, not ${typeName(value)}`);
}

/** Where a part stands, in code points; -1 where it isn't. */
function find(text: string, part: string, last: boolean): bigint {
  const at = last ? text.lastIndexOf(part) : text.indexOf(part);
  return at < 0 ? -1n : BigInt(lengthOf(text.slice(0, at)));
}

function affix(text: string, call: CallArguments, test: (part: string) => boolean): boolean {
  const wanted = argument(call, 0, "prefix");
  if (wanted instanceof Tuple) return wanted.items.some((part) => test(textOf(part, "prefix")));
  return test(textOf(wanted, `${text.slice(0, 10)}: prefix`));
}

function partition(text: string, separator: string, at: number): Tuple {
  if (at < 0) return new Tuple([text, "", ""]);
  return new Tuple([text.slice(0, at), separator, text.slice(at + separator.length)]);
}

function count(call: CallArguments, index: number, name: string): number {
  const value = argument(call, index, name);
  return value === undefined || value === null ? -1 : asIndex(value, name);
}

function splitLines(text: string, keepEnds: boolean): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const match of text.matchAll(lineEnd)) {
    const end = match.index + match[0].length;
    lines.push(text.slice(start, keepEnds ? end : match.index));
    start = end;
  }
  if (start < text.length) lines.push(text.slice(start));
  return lines;
}

/** `str.format` with plain fields: `{}`, `{0}`, `{name}`. */
function format(text: string, call: CallArguments): string {
  let next = 0;
  return text.replace(/\{\{|\}\}|\{(\w*)\}/g, (match, field: string | undefined) => {
    if (field === undefined) return match.charAt(0);
    if (field === "") {
      next += 1;
      return toText(call.positional[next - 1]);
    }
    return toText(/^\d+$/.test(field) ? call.positional[Number(field)] : call.keyword.get(field));
  });
}

type Method = (text: string, call: CallArguments) => JinjaValue;

const isAll = (text: string, pattern: RegExp) => text !== "" && pattern.test(text);

const methods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["capitalize", (text) => capitalize(text)],
  ["casefold", (text) => text.toLowerCase()],
  ["count", (text, call) => BigInt(text.split(textOf(call.positional[0], "sub")).length - 1)],
  ["endswith", (text, call) => affix(text, call, (part) => text.endsWith(part))],
  ["find", (text, call) => find(text, textOf(call.positional[0], "sub"), false)],
  ["format", format],
  ["index", (text, call) => found(find(text, textOf(call.positional[0], "sub"), false))],
  ["isalnum", (text) => isAll(text, /^[\p{L}\p{N}]+$/u)],
  ["isalpha", (text) => isAll(text, /^\p{L}+$/u)],
  ["isdecimal", (text) => isAll(text, /^\p{Nd}+$/u)],
  ["isdigit", (text) => isAll(text, /^[\p{Nd}\u00b2\u00b3\u00b9\u2070-\u2079\u2080-\u2089]+$/u)],
  ["islower", (text) => /\p{Ll}/u.test(text) && !/[\p{Lu}\p{Lt}]/u.test(text)],
  ["isnumeric", (text) => isAll(text, /^\p{N}+$/u)],
  ["isspace", (text) => isAll(text, isSpace)],
  ["isupper", (text) => /\p{Lu}/u.test(text) && !/[\p{Ll}\p{Lt}]/u.test(text)],
  [
    "join",
    (text, call) =>
      iterate(call.positional[0])
        .map((item) => textOf(item, "sequence item"))
        .join(text),
  ],
  ["lower", (text) => text.toLowerCase()],
  ["lstrip", (text, call) => strip(text, call.positional[0], "left")],
  [
    "partition",
    (text, call) =>
      partition(
        text,
        textOf(call.positional[0], "separator"),
        text.indexOf(textOf(call.positional[0], "separator")),
      ),
  ],
  ["removeprefix", (text, call) => without(text, textOf(call.positional[0], "prefix"), "left")],
  ["removesuffix", (text, call) => without(text, textOf(call.positional[0], "suffix"), "right")],
  [
    "replace",
    (text, call) =>
      replaceText(
        text,
        textOf(call.positional[0], "old"),
        textOf(call.positional[1], "new"),
        count(call, 2, "count"),
      ),
  ],
  ["rfind", (text, call) => find(text, textOf(call.positional[0], "sub"), true)],
  ["rpartition", (text, call) => rightPartition(text, textOf(call.positional[0], "separator"))],
  ["rsplit", (text, call) => splitText(text, argument(call, 0, "sep"), count(call, 1, "maxsplit"), "right")],
  ["rstrip", (text, call) => strip(text, call.positional[0], "right")],
  ["split", (text, call) => splitText(text, argument(call, 0, "sep"), count(call, 1, "maxsplit"), "left")],
  ["splitlines", (text, call) => splitLines(text, argument(call, 0, "keepends") === true)],
  ["startswith", (text, call) => affix(text, call, (part) => text.startsWith(part))],
  ["strip", (text, call) => strip(text, call.positional[0], "both")],
  [
    "swapcase",
    (text) => Array.from(text, (c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase())).join(""),
  ],
  ["title", (text) => title(text)],
  ["upper", (text) => text.toUpperCase()],
  ["zfill", (text, call) => zeroFill(text, asIndex(call.positional[0], "width"))],
]);

function found(position: bigint): bigint {
  if (position < 0n) throw typeError("substring not found");
  return position;
}

function without(text: string, part: string, side: "left" | "right"): string {
  if (part === "") return text;
  if (side === "left") return text.startsWith(part) ? text.slice(part.length) : text;
  return text.endsWith(part) ? text.slice(0, -part.length) : text;
}

function rightPartition(text: string, separator: string): Tuple {
  const at = text.lastIndexOf(separator);
  return at < 0 ? new Tuple(["", "", text]) : partition(text, separator, at);
}

function zeroFill(text: string, width: number): string {
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  return sign + text.slice(sign.length).padStart(width - sign.length, "0");
}

/** Undefined where Python's str has no such method. */
export function textMethod(text: string, name: string): ((call: CallArguments) => JinjaValue) | undefined {
  const method = methods.get(name);
  return method && ((call) => method(text, call));
}

/** `"..." % values`: `%s`, `%d`, `%f` with precision, `%%`. */
export function percentFormat(text: string, values: readonly JinjaValue[]): string {
  let next = 0;
  const result = text.replace(
    /%(?:%|(?:\.(\d+))?([sdif]))/g,
    (_, digits: string | undefined, kind: string | undefined) => {
      if (kind === undefined) return "%";
      if (next >= values.length) throw typeError("not enough arguments for format string");
      const value = values[next];
      next += 1;
      if (kind === "s") return toText(value);
      const number = asNumber(value);
      if (number === null)
        throw typeError(`%${kind} format: a real number is required, not ${typeName(value)}`);
      if (kind === "f") return Number(number).toFixed(Number(digits ?? 6));
      return typeof number === "bigint" ? number.toString() : BigInt(Math.trunc(number)).toString();
    },
  );
  if (next < values.length) throw typeError("not all arguments converted during string formatting");
  return result;
}
