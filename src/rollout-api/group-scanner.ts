/**
 * Reads scored groups straight from the request's bytes: one pass that validates, normalises and lines up
 * the 14 fields, without making a JavaScript value of any token. It answers undefined for whatever it doesn't
 * know to be right, broken input included; group-reader.ts then decides and words the problems.
 *
 * The bytes must be valid UTF-8.
 */
import { type EncodedGroup, type GroupField, groupFields, tokensField } from "./group-fields.ts";
import { GroupShape } from "./group-shape.ts";
import { copyFloats, copyIntegers, copyNumber } from "./json/copy-numbers.ts";
import { copyObject, copyString, copyValue, SAW_CONTENT, SAW_ROLE, startsWith } from "./json/copy-values.ts";
import {
  CLOSE_OBJECT,
  COLON,
  COMMA,
  FAILED,
  JsonCursor,
  OPEN_OBJECT,
  QUOTE,
  SPACE,
} from "./json/json-cursor.ts";
import type { GroupKernel } from "./kernel/group-kernel.ts";
import type { Problems } from "./validation.ts";

const indexByName = new Map(groupFields.map(({ name }, index) => [name, index]));
const BACKSLASH = 0x5c;
const LOGPROBS = groupFields.findIndex(({ name }) => name === "inference_logprobs");
const ENV_ID = groupFields.findIndex(({ name }) => name === "env_id");
const prefixes = groupFields.map(({ name }, index) => Buffer.from(`${index === 0 ? "{" : ","}"${name}":`));
const prefixBytes = prefixes.reduce((sum, { length }) => sum + length, 0);
const NULL = Buffer.from("null");
const UNSET = -1;
/** What #key answers for keys that are no fields. */
const GROUP_ID = -1;
const UNKNOWN_KEY = -2;

/** Owns scratch memory: make one and keep it; calls are synchronous. */
export class GroupScanner {
  readonly #cursor: JsonCursor;
  /** Where each field's text lies in the scratch memory; UNSET = absent or null. */
  readonly #starts = new Int32Array(groupFields.length);
  readonly #ends = new Int32Array(groupFields.length);
  readonly #shape = new GroupShape();
  readonly #strict: boolean;
  #groupId: string | null | undefined;

  /** `strict`: lists must fit together (group-shape.ts), token ids are not negative, and `group_id` is read. */
  constructor({ strict, kernel }: { strict: boolean; kernel?: GroupKernel }) {
    this.#strict = strict;
    this.#cursor = new JsonCursor(kernel);
  }

  /** The body of POST /scored_data. */
  scanGroup(bytes: Buffer): EncodedGroup | undefined {
    this.#cursor.begin(bytes);
    const group = this.#group();
    return this.#cursor.atEnd() ? group : undefined;
  }

  /** The body of POST /scored_data_list. */
  scanGroups(bytes: Buffer): EncodedGroup[] | undefined {
    this.#cursor.begin(bytes);
    const groups: EncodedGroup[] = [];
    // Of what copyList writes nothing is used: each group begins with empty scratch memory.
    const count = this.#cursor.copyList(() => {
      const group = this.#group();
      if (group !== undefined) groups.push(group);
      return group !== undefined;
    });
    return count !== FAILED && this.#cursor.atEnd() ? groups : undefined;
  }

  #group(): EncodedGroup | undefined {
    const cursor = this.#cursor;
    cursor.out.length = 0;
    this.#starts.fill(UNSET);
    this.#shape.clear();
    this.#groupId = undefined;
    if (!cursor.take(OPEN_OBJECT)) return undefined;
    let seen = 0;
    do {
      const index = this.#key();
      if (index === undefined || !cursor.take(COLON)) return undefined;
      if (index >= 0) {
        if ((seen & (1 << index)) !== 0) return undefined;
        seen |= 1 << index;
      }
      if (!this.#value(index)) return undefined;
    } while (cursor.take(COMMA));
    return cursor.take(CLOSE_OBJECT) ? this.#assemble() : undefined;
  }

  /** The field that the next key names, GROUP_ID or UNKNOWN_KEY; undefined for a key with an escape in it. */
  #key(): number | undefined {
    const cursor = this.#cursor;
    if (cursor.peek() !== QUOTE) return undefined;
    const start = cursor.at + 1;
    const end = cursor.input.indexOf(QUOTE, start);
    if (end === -1) return undefined;
    const name = cursor.input.toString("latin1", start, end);
    const index = indexByName.get(name);
    if (index === undefined) {
      // Broken strings, too, are the careful reader's.
      for (let at = start; at < end; at++) {
        const byte = cursor.input[at] ?? 0;
        if (byte === BACKSLASH || byte < SPACE) return undefined;
      }
    }
    cursor.at = end + 1;
    return index ?? (this.#strict && name === "group_id" ? GROUP_ID : UNKNOWN_KEY);
  }

  #value(index: number): boolean {
    if (index >= 0) return this.#field(index);
    const { out } = this.#cursor;
    const start = out.length;
    const isRead = index === GROUP_ID ? this.#copyGroupId() : copyValue(this.#cursor);
    // Nothing of it is served.
    out.length = start;
    return isRead;
  }

  /** A string, an integer or null, once; anything else is the careful reader's. */
  #copyGroupId(): boolean {
    const cursor = this.#cursor;
    const { out } = cursor;
    const start = out.length;
    if (this.#groupId !== undefined) return false;
    if (this.#takeNull()) {
      this.#groupId = null;
      return true;
    }
    const isString = cursor.peek() === QUOTE;
    if (!(isString ? copyString(cursor) : copyNumber(cursor, false))) return false;
    const text = out.buffer.toString("utf8", start, out.length);
    this.#groupId = isString ? String(JSON.parse(text)) : text;
    return isString || /^-?\d+$/.test(text);
  }

  #field(index: number): boolean {
    const field = groupFields[index];
    if (field === undefined) return false;
    if (!field.required && this.#takeNull()) return true;
    this.#starts[index] = this.#cursor.out.length;
    if (!this.#copyField(field)) return false;
    this.#ends[index] = this.#cursor.out.length;
    return true;
  }

  #takeNull(): boolean {
    const cursor = this.#cursor;
    cursor.peek();
    if (!startsWith(cursor.input, cursor.at, NULL)) return false;
    cursor.at += NULL.length;
    return true;
  }

  #copyField(field: GroupField): boolean {
    const cursor = this.#cursor;
    const { kind } = field;
    switch (kind.type) {
      case "integers":
        return this.#copyNumbers(field, copyIntegers, kind.depth);
      case "floats":
        return this.#copyNumbers(field, copyFloats, kind.depth);
      case "messages":
        return this.#counted(field, cursor.copyList(copyConversation));
      case "object":
        return copyObject(cursor) !== FAILED;
      case "objects":
        return this.#counted(field, cursor.copyList(copyItem));
      case "any":
        return copyValue(cursor);
      case "id":
        return this.#copyId();
      default:
        return kind satisfies never;
    }
  }

  #counted(field: GroupField, count: number): boolean {
    this.#shape.of(field).count = count;
    return count !== FAILED;
  }

  /** Lists of numbers, `depth` deep, whose lengths go into the shape. */
  #copyNumbers(field: GroupField, copyInnermost: CopyNumbers, depth: number): boolean {
    const cursor = this.#cursor;
    const { lengths, depths } = this.#shape.of(field);
    cursor.sawNegative = false;
    const copyPosition = (inner: JsonCursor) => record(depths, copyInnermost(inner));
    const copySequence = (inner: JsonCursor) =>
      record(lengths, depth === 3 ? inner.copyList(copyPosition) : copyInnermost(inner));
    const count = depth === 1 ? copyInnermost(cursor) : cursor.copyList(copySequence);
    if (this.#strict && field.name === "tokens" && cursor.sawNegative) return false;
    return this.#counted(field, count);
  }

  #copyId(): boolean {
    const { out } = this.#cursor;
    const start = out.length;
    this.#cursor.peek();
    if (!copyNumber(this.#cursor, false)) return false;
    return /^\d{1,15}$/.test(out.buffer.toString("latin1", start, out.length));
  }

  /** The fields' texts in their order; undefined when a required one is absent. */
  #assemble(): EncodedGroup | undefined {
    if (this.#strict && !this.#fitsTogether()) return undefined;
    let length = prefixBytes + 1;
    for (const [index, { required }] of groupFields.entries()) {
      if (required && !this.#isSet(index)) return undefined;
      length += this.#isSet(index) ? this.#end(index) - this.#start(index) : NULL.length;
    }
    // Kept for long: its own memory, not a slice that holds a shared pool.
    const body = Buffer.allocUnsafeSlow(length);
    const texts = this.#cursor.out.buffer;
    let to = 0;
    for (const [index, prefix] of prefixes.entries()) {
      to += prefix.copy(body, to);
      to += this.#isSet(index)
        ? texts.copy(body, to, this.#start(index), this.#end(index))
        : NULL.copy(body, to);
    }
    body[to] = CLOSE_OBJECT;
    const envId = this.#isSet(ENV_ID)
      ? Number(texts.toString("latin1", this.#start(ENV_ID), this.#end(ENV_ID)))
      : null;
    return {
      body,
      sequences: this.#shape.of(tokensField).count ?? 0,
      envId,
      groupId: this.#groupId ?? null,
      hasLogprobs: this.#isSet(LOGPROBS),
    };
  }

  #fitsTogether(): boolean {
    const problems: Problems = [];
    this.#shape.check([], problems);
    return problems.length === 0;
  }

  #isSet(index: number): boolean {
    return this.#start(index) !== UNSET;
  }

  #start(index: number): number {
    return this.#starts[index] ?? UNSET;
  }

  #end(index: number): number {
    return this.#ends[index] ?? UNSET;
  }
}

type CopyNumbers = (cursor: JsonCursor) => number;

function record(lengths: number[], length: number): boolean {
  lengths.push(length);
  return length !== FAILED;
}

function copyItem(cursor: JsonCursor): boolean {
  return copyObject(cursor) !== FAILED;
}

function copyConversation(cursor: JsonCursor): boolean {
  return cursor.copyList(copyMessage) !== FAILED;
}

function copyMessage(cursor: JsonCursor): boolean {
  return copyObject(cursor) === (SAW_ROLE | SAW_CONTENT);
}
