/**
 * Reads scored groups straight from the request's bytes: one pass that validates, normalises and lines up
 * the 14 fields, without making a JavaScript value of any token. It answers undefined for whatever it doesn't
 * know to be right, broken input included; group-reader.ts then decides and words the problems.
 *
 * The bytes must be valid UTF-8.
 */
import { type EncodedGroup, type FieldKind, groupFields } from "./group-fields.ts";
import { copyFloats, copyIntegers, copyNumber } from "./json/copy-numbers.ts";
import { copyObject, copyValue, SAW_CONTENT, SAW_ROLE, startsWith } from "./json/copy-values.ts";
import { CLOSE_OBJECT, COLON, COMMA, FAILED, JsonCursor, OPEN_OBJECT, QUOTE } from "./json/json-cursor.ts";

const indexByName = new Map(groupFields.map(({ name }, index) => [name, index]));
const TOKENS = groupFields.findIndex(({ name }) => name === "tokens");
const ENV_ID = groupFields.findIndex(({ name }) => name === "env_id");
const prefixes = groupFields.map(({ name }, index) => Buffer.from(`${index === 0 ? "{" : ","}"${name}":`));
const prefixBytes = prefixes.reduce((sum, { length }) => sum + length, 0);
const NULL = Buffer.from("null");
const UNSET = -1;

/** Owns scratch memory: make one and keep it; calls are synchronous. */
export class GroupScanner {
  readonly #cursor = new JsonCursor();
  /** Where each field's text lies in the scratch memory; UNSET = absent or null. */
  readonly #starts = new Int32Array(groupFields.length);
  readonly #ends = new Int32Array(groupFields.length);
  #sequences = 0;

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
    if (!cursor.take(OPEN_OBJECT)) return undefined;
    let seen = 0;
    do {
      const index = this.#key();
      if (index === undefined || (seen & (1 << index)) !== 0) return undefined;
      seen |= 1 << index;
      if (!cursor.take(COLON) || !this.#field(index)) return undefined;
    } while (cursor.take(COMMA));
    return cursor.take(CLOSE_OBJECT) ? this.#assemble() : undefined;
  }

  /** The field that the next key names; an unknown key is left to the careful reader. */
  #key(): number | undefined {
    const cursor = this.#cursor;
    if (cursor.peek() !== QUOTE) return undefined;
    const end = cursor.input.indexOf(QUOTE, cursor.at + 1);
    const name = cursor.input.toString("latin1", cursor.at + 1, Math.max(end, cursor.at + 1));
    cursor.at = end + 1;
    return indexByName.get(name);
  }

  #field(index: number): boolean {
    const field = groupFields[index];
    if (field === undefined) return false;
    if (!field.required && this.#takeNull()) return true;
    this.#starts[index] = this.#cursor.out.length;
    if (!this.#copyField(field.kind, index)) return false;
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

  #copyField(kind: FieldKind, index: number): boolean {
    const cursor = this.#cursor;
    switch (kind.type) {
      case "integers":
      case "floats": {
        const items = copyNested(cursor, kind.type === "integers" ? copyIntegers : copyFloats, kind.depth);
        if (index === TOKENS) this.#sequences = items;
        return items !== FAILED;
      }
      case "messages":
        return cursor.copyList(copyConversation) !== FAILED;
      case "object":
        return copyObject(cursor) !== FAILED;
      case "objects":
        return cursor.copyList((inner) => copyObject(inner) !== FAILED) !== FAILED;
      case "any":
        return copyValue(cursor);
      case "id":
        return this.#copyId();
      default:
        return kind satisfies never;
    }
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
    return { body, sequences: this.#sequences, envId, groupId: null };
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

/** Lists within lists, `depth` of them; the number of items of the outermost one, or FAILED. */
function copyNested(
  cursor: JsonCursor,
  copyInnermost: (cursor: JsonCursor) => boolean,
  depth: number,
): number {
  if (depth === 1) return copyInnermost(cursor) ? 0 : FAILED;
  return cursor.copyList((inner) => copyNested(inner, copyInnermost, depth - 1) !== FAILED);
}

function copyConversation(cursor: JsonCursor): boolean {
  return cursor.copyList(copyMessage) !== FAILED;
}

function copyMessage(cursor: JsonCursor): boolean {
  return copyObject(cursor) === (SAW_ROLE | SAW_CONTENT);
}
