/**
 * Reads scored groups from parsed JSON with every rule of validation.ts: the careful reader. It finds and
 * words all problems, and takes what the fast scanner leaves to it (numbers written as strings, ...).
 */
import { type EncodedGroup, type FieldKind, groupFields, tokensField } from "./group-fields.ts";
import { GroupShape } from "./group-shape.ts";
import { encodeNode, entryOf, type JsonNode, type ObjectNode } from "./json/json-node.ts";
import { integerText } from "./json/number-text.ts";
import type { ReadModel } from "./request-models.ts";
import {
  checkFinite,
  type Location,
  note,
  type Problems,
  readFloat,
  readId,
  readInteger,
} from "./validation.ts";

export class GroupReader {
  readonly #strict: boolean;

  /** `strict`: lists must fit together (group-shape.ts), token ids are not negative, and `group_id` is read. */
  constructor({ strict }: { strict: boolean }) {
    this.#strict = strict;
  }

  /** One group; undefined after noting its problems. */
  readonly readGroup: ReadModel<EncodedGroup> = (node, loc, problems) => {
    if (node.kind !== "object") return note(problems, "model_attributes_type", loc, node);
    const before = problems.length;
    const texts = groupFields.map((field) => {
      const { name, kind, required } = field;
      const value = entryOf(node, name);
      if (value === undefined) return required ? note(problems, "missing", [...loc, name], node) : "null";
      if (value.kind === "null" && !required) return "null";
      const isTokenIds = this.#strict && field === tokensField;
      return readField(value, isTokenIds ? { type: "ids", depth: 2 } : kind, [...loc, name], problems);
    });
    if (this.#strict && problems.length === before) shapeOf(node).check(loc, problems);
    if (problems.length > before) return undefined;
    const tokens = entryOf(node, tokensField.name);
    const textOf = (wanted: string) => texts[groupFields.findIndex(({ name }) => name === wanted)];
    const envId = textOf("env_id");
    return {
      body: Buffer.from(`{${groupFields.map(({ name }, index) => `"${name}":${texts[index]}`).join(",")}}`),
      sequences: tokens?.kind === "array" ? tokens.items.length : 0,
      envId: envId === undefined || envId === "null" ? null : Number(envId),
      groupId: this.#strict ? readGroupId(node) : null,
      hasLogprobs: textOf("inference_logprobs") !== "null",
    };
  };

  /** A list of groups, all or none; undefined after noting the problems of all. */
  readonly readGroups: ReadModel<EncodedGroup[]> = (node, loc, problems) => {
    if (node.kind !== "array") return note(problems, "list_type", loc, node);
    const groups = node.items
      .map((item, index) => this.readGroup(item, [...loc, index], problems))
      .filter((group) => group !== undefined);
    return groups.length === node.items.length ? groups : undefined;
  };
}

/** A string or an integer; anything else under that name is some other program's, and no name for the group. */
function readGroupId(node: ObjectNode): string | null {
  const value = entryOf(node, "group_id");
  if (value?.kind === "string") return value.value;
  return value?.kind === "integer" ? integerText(value.lexeme) : null;
}

/** The lengths of a group's lists; its fields must have been read without a problem. */
function shapeOf(node: ObjectNode): GroupShape {
  const shape = new GroupShape();
  for (const field of groupFields) {
    const value = entryOf(node, field.name);
    if (value?.kind !== "array" || field.kind.type === "any") continue;
    const { lengths, depths } = Object.assign(shape.of(field), { count: value.items.length });
    const isNested = field.kind.type === "integers" || field.kind.type === "floats";
    for (const sequence of isNested ? value.items : []) {
      if (sequence.kind !== "array") continue;
      lengths.push(sequence.items.length);
      for (const position of sequence.items)
        if (position.kind === "array") depths.push(position.items.length);
    }
  }
  return shape;
}

/** The JSON text of one field that is not null; undefined after noting problems. */
function readField(
  node: JsonNode,
  kind: FieldKind | { type: "ids"; depth: number },
  loc: Location,
  problems: Problems,
): string | undefined {
  switch (kind.type) {
    case "ids":
      return readNested(node, kind.depth, loc, problems, readId);
    case "integers":
      return readNested(node, kind.depth, loc, problems, readInteger);
    case "floats":
      return readNested(node, kind.depth, loc, problems, readFloat);
    case "messages":
      return readMessages(node, loc, problems);
    case "objects":
      return readNested(node, 1, loc, problems, readObject);
    case "object":
      return readObject(node, loc, problems);
    case "any":
      checkFinite(node, loc, problems);
      return encodeNode(node);
    case "id":
      return readId(node, loc, problems);
    default:
      return kind satisfies never;
  }
}

type ReadElement = (node: JsonNode, loc: Location, problems: Problems) => string | undefined;

function readNested(
  node: JsonNode,
  depth: number,
  loc: Location,
  problems: Problems,
  readElement: ReadElement,
): string | undefined {
  if (depth === 0) return readElement(node, loc, problems);
  if (node.kind !== "array") return note(problems, "list_type", loc, node);
  const texts = node.items.map((item, index) =>
    readNested(item, depth - 1, [...loc, index], problems, readElement),
  );
  return `[${texts.join(",")}]`;
}

function readObject(node: JsonNode, loc: Location, problems: Problems): string | undefined {
  if (node.kind !== "object") return note(problems, "dict_type", loc, node);
  checkFinite(node, loc, problems);
  return encodeNode(node);
}

/** First the rule on messages, whose one problem hides all others, then the shape. */
function readMessages(node: JsonNode, loc: Location, problems: Problems): string | undefined {
  for (const conversation of membersOf(node)) {
    for (const message of membersOf(conversation)) {
      if (lacksKey(message, "role") || lacksKey(message, "content")) {
        return note(problems, "value_error", loc, node, '{"error":{}}');
      }
    }
  }
  return readNested(node, 2, loc, problems, readObject);
}

/** What Python iterates over: elements, keys or characters; scalars have none. */
function membersOf(node: JsonNode): readonly JsonNode[] {
  if (node.kind === "array") return node.items;
  if (node.kind === "object") return node.entries.map(([key]) => ({ kind: "string", value: key }));
  if (node.kind === "string") return [...node.value].map((value) => ({ kind: "string", value }));
  return [];
}

/** Python's `key not in node`; false for scalars, whose wrong type is told by the shape's own problem. */
function lacksKey(node: JsonNode, key: string): boolean {
  if (node.kind === "array") return !node.items.some((item) => item.kind === "string" && item.value === key);
  if (node.kind === "object") return entryOf(node, key) === undefined;
  return node.kind === "string" && !node.value.includes(key);
}
