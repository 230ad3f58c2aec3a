/**
 * The notation in which Gemma 4 writes arguments: `key:<|"|>text<|"|>,n:42,list:[…],object:{…}`. Bare values are text up
 * to a comma or bracket. vLLM's reader is forgiving in odd ways, all of which are kept: an object ends at its brace
 * whatever its brackets do, a string without end takes the rest, an unfinished object drops its last bare value.
 *
 * vLLM copies and rescans each level; here brackets are matched once, so that nesting costs nothing.
 */
import type { PythonDict, PythonValue } from "../src/contracts/python-json.ts";
import { isBlank, pythonStrip } from "./shared/python-text.ts";

export const stringMark = '<|"|>';

/** Deeper levels stay text: CPython's stack would not hold them either. */
const maxDepth = 400;

export function readGemmaArguments(text: string): PythonDict {
  return new GemmaReader(text).dict(0, text.length, false, 0);
}

class GemmaReader {
  readonly #text: string;
  readonly #marks: number[] = [];
  #colon: number;
  /** For each opening bracket where its own kind closes it, 0 for nowhere. */
  readonly #closing: ReadonlyMap<number, number>;

  constructor(text: string) {
    this.#text = text;
    this.#colon = text.indexOf(":");
    this.#closing = this.#matchBrackets();
  }

  /**
   * A bracket counts where the marks before it pair up; a reader that came out of step with the pairs sees just the
   * others. So brackets with an even and an odd number of marks before them are matched apart, each kind by itself.
   */
  #matchBrackets(): Map<number, number> {
    const closing = new Map<number, number>();
    const stacks = ["{", "[", "{", "["].map((): number[] => []);
    for (const match of this.#text.matchAll(/<\|"\|>|[[\]{}]/g)) {
      const bracket = match[0];
      if (bracket === stringMark) {
        this.#marks.push(match.index);
        continue;
      }
      const isBrace = bracket === "{" || bracket === "}";
      const stack = stacks[(this.#marks.length % 2) * 2 + (isBrace ? 0 : 1)];
      if (bracket === "{" || bracket === "[") stack?.push(match.index);
      else {
        const open = stack?.pop();
        if (open !== undefined) closing.set(open, match.index);
      }
    }
    return closing;
  }

  dict(from: number, end: number, partial: boolean, depth: number): PythonDict {
    const values: PythonDict = new Map();
    let at = from;
    for (;;) {
      at = this.#skip(at, end, true);
      const colon = at >= end ? -1 : this.#nextColon(at);
      if (colon < 0 || colon >= end) return values;
      const key = unquoted(pythonStrip(this.#text.slice(at, colon)));
      at = this.#skip(colon + 1, end, false);
      if (at >= end) {
        if (!partial) values.set(key, "");
        return values;
      }
      const read = this.#value(at, end, partial, depth, ",}]");
      if (read.value !== undefined) values.set(key, read.value);
      if (read.end === undefined) return values;
      at = read.end;
    }
  }

  #list(from: number, end: number, partial: boolean, depth: number): PythonValue[] {
    const items: PythonValue[] = [];
    let at = from;
    for (;;) {
      at = this.#skip(at, end, true);
      if (at >= end) return items;
      const read = this.#value(at, end, partial, depth, ",]");
      if (read.value !== undefined) items.push(read.value);
      if (read.end === undefined) return items;
      at = read.end;
    }
  }

  /** An end of undefined: nothing more can be read. */
  #value(at: number, end: number, partial: boolean, depth: number, stops: string): ReadValue {
    const text = this.#text;
    if (text.startsWith(stringMark, at) && at + stringMark.length <= end) {
      return this.#string(at + stringMark.length, end, partial && stops.includes("}"));
    }
    const opening = text.charAt(at);
    if (opening === "{" || opening === "[") return this.#nested(opening, at, end, depth);
    let stop = at;
    while (stop < end && !stops.includes(text.charAt(stop))) stop++;
    if ((partial && stop >= end) || stop === at) return { value: undefined, end: undefined };
    const bare = pythonStrip(text.slice(at, stop));
    if (partial && bare.endsWith(".")) return { value: undefined, end: undefined };
    return { value: bare, end: stop };
  }

  #string(from: number, end: number, partial: boolean): ReadValue {
    const mark = this.#nextMark(from);
    if (mark !== undefined && mark + stringMark.length <= end) {
      return { value: this.#text.slice(from, mark), end: mark + stringMark.length };
    }
    const rest = this.#text.slice(from, end);
    return { value: partial ? withoutHalfMark(rest) : rest, end: undefined };
  }

  #nested(opening: string, at: number, end: number, depth: number): ReadValue {
    const close = this.#closing.get(at);
    const closed = close !== undefined && close < end;
    const inner: [number, number, boolean, number] = [at + 1, closed ? close : end, !closed, depth + 1];
    if (depth >= maxDepth)
      return { value: this.#text.slice(at, closed ? close + 1 : end), end: closed ? close + 1 : end };
    const value = opening === "{" ? this.dict(...inner) : this.#list(...inner);
    return { value, end: closed ? close + 1 : end };
  }

  #skip(from: number, end: number, commas: boolean): number {
    let at = from;
    while (at < end && (commas ? " ,\n\t" : " \n\t").includes(this.#text.charAt(at))) at++;
    return at;
  }

  /** Asked in ascending order: a colon is looked for once. */
  #nextColon(from: number): number {
    if (this.#colon >= 0 && this.#colon < from) this.#colon = this.#text.indexOf(":", from);
    return this.#colon;
  }

  #nextMark(from: number): number | undefined {
    let low = 0;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#marks[middle] ?? 0) < from) low = middle + 1;
      else high = middle;
    }
    return this.#marks[low];
  }
}

type ReadValue = { value: PythonValue | undefined; end: number | undefined };

function unquoted(key: string): string {
  if (!key.startsWith(stringMark) || !key.endsWith(stringMark)) return key;
  return key.slice(stringMark.length, Math.max(stringMark.length, key.length - stringMark.length));
}

function withoutHalfMark(text: string): string {
  for (let length = stringMark.length; length > 0; length--) {
    if (text.endsWith(stringMark.slice(0, length))) return text.slice(0, -length);
  }
  return text;
}

/** What vLLM's converter does first: the call's own closing bracket goes. */
export function withoutClosing(raw: string): string {
  const text = pythonStrip(raw);
  if (text.endsWith("}")) return text.slice(0, -1);
  if (!text.endsWith(")")) return text;
  return text.split("(").length < text.split(")").length ? text.slice(0, -1) : text;
}

/** The notation of a value. A string in which the mark occurs cannot be written. */
export function formatGemmaValue(value: PythonValue): string {
  if (typeof value === "string") return `${stringMark}${value}${stringMark}`;
  if (Array.isArray(value)) return `[${value.map(formatGemmaValue).join(",")}]`;
  if (value instanceof Map) return `{${formatGemmaEntries(value)}}`;
  return String(value);
}

export function formatGemmaEntries(values: Iterable<readonly [string, PythonValue]>): string {
  return [...values].map(([key, value]) => `${key}:${formatGemmaValue(value)}`).join(",");
}

/** Whether a call's text was closed by its own bracket. */
export function isGemmaClosed(raw: string): boolean {
  const text = pythonStrip(raw);
  return isBlank(text) || text.endsWith("}") || text.endsWith(")");
}
