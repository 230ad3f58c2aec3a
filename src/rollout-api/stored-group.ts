/**
 * Looks into stored groups for those who watch the server: scores, the version of the sampling weights, and
 * messages. The store and the batcher never need this; a body that isn't a group reads as an empty one.
 *
 * Bodies are large and mostly token ids, so nothing here parses a whole one. The lists of numbers hold no
 * quotes, so they end before the next quote, which begins the next key; the fields that can hold anything
 * (messages, overrides, ...) are stepped over value by value.
 */
import { groupFields } from "./group-fields.ts";
import { CLOSE_LIST, CLOSE_OBJECT, COMMA, OPEN_LIST, OPEN_OBJECT, QUOTE } from "./json/json-cursor.ts";

const prefixes = groupFields.map(({ name }, index) => Buffer.from(`${index === 0 ? "{" : ","}"${name}":`));
const WEIGHT_VERSION = Buffer.from('"weight_version"');
const FIELDS_WITH_VERSIONS = ["overrides", "group_overrides", "generation_params"];

const BACKSLASH = 0x5c;

/** The group's scores, one a sequence. */
export function scoresOf(body: Buffer): number[] {
  const scores = parse(fieldsOf(body, "scores").get("scores"));
  return Array.isArray(scores) ? scores.filter((score) => typeof score === "number") : [];
}

/**
 * The oldest version of the weights that sampled the group, in steps of the trainer: the smallest integer
 * among the `weight_version`s (a number, or a list with one a token) of `overrides[i]`, `group_overrides` and
 * `generation_params`; null where the environment sent none.
 */
export function weightVersionOf(body: Buffer): number | null {
  if (!body.includes(WEIGHT_VERSION)) return null;
  const fields = fieldsOf(body);
  let oldest: number | null = null;
  for (const name of FIELDS_WITH_VERSIONS) {
    const value = parse(fields.get(name));
    for (const holder of Array.isArray(value) ? value : [value]) {
      for (const version of versionsIn(holder))
        oldest = oldest === null ? version : Math.min(oldest, version);
    }
  }
  return oldest;
}

function versionsIn(holder: unknown): number[] {
  if (typeof holder !== "object" || holder === null || !("weight_version" in holder)) return [];
  const { weight_version: version } = holder;
  return (Array.isArray(version) ? version : [version]).filter((item) => Number.isSafeInteger(item));
}

/** The group's token ids, one list a sequence. */
export function tokensOf(body: Buffer): number[][] {
  const tokens = parse(fieldsOf(body, "tokens").get("tokens"));
  return Array.isArray(tokens) ? tokens.filter((ids) => Array.isArray(ids)) : [];
}

/** The conversations of a group, one a sequence, as parsed JSON; null where the environment sent none. */
export function messagesOf(body: Buffer): readonly unknown[] | null {
  const messages = parse(fieldsOf(body).get("messages"));
  return Array.isArray(messages) && messages.length > 0 ? messages : null;
}

/** The JSON text of each field up to `last`, as far as the body has the shape in which groups are stored. */
function fieldsOf(body: Buffer, last?: string): Map<string, Buffer> {
  const fields = new Map<string, Buffer>();
  let at = 0;
  for (const [index, { name, kind }] of groupFields.entries()) {
    const prefix = prefixes[index] ?? Buffer.alloc(0);
    if (!body.subarray(at, at + prefix.length).equals(prefix)) return fields;
    const start = at + prefix.length;
    const isNumbers = kind.type === "integers" || kind.type === "floats";
    at = isNumbers ? numbersEnd(body, start) : valueEnd(body, start);
    if (at === -1) return fields;
    fields.set(name, body.subarray(start, at));
    if (name === last) return fields;
  }
  return fields;
}

/** Where lists of numbers end: at the comma before the next key, or at the end of the group. */
function numbersEnd(body: Buffer, start: number): number {
  const quote = body.indexOf(QUOTE, start);
  return (quote === -1 ? body.length : quote) - 1;
}

/** Where the value that starts here ends, in JSON without white space: at its holder's comma or bracket. */
function valueEnd(body: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; at < body.length; at++) {
    const byte = body[at];
    if (byte === QUOTE) at = stringEnd(body, at);
    else if (byte === COMMA && depth === 0) return at;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      if (depth === 0) return at;
      depth--;
    }
  }
  return -1;
}

/** The closing quote of the string that starts here. */
function stringEnd(body: Buffer, start: number): number {
  let end = start;
  for (;;) {
    end = body.indexOf(QUOTE, end + 1);
    if (end === -1) return body.length;
    let backslashes = 0;
    while (body[end - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

function parse(json: Buffer | undefined): unknown {
  if (json === undefined) return null;
  try {
    return JSON.parse(json.toString("utf8"));
  } catch {
    return null;
  }
}
