/**
 * Reads scored groups from parsed JSON with every rule of validation.ts: the careful reader. It finds and
 * words all problems, and takes what the fast scanner leaves to it (numbers written as strings, ...).
 */
import { type EncodedGroup, type FieldKind, groupFields } from "./group-fields.ts";
import { encodeNode, entryOf, type JsonNode } from "./json/json-node.ts";
import {
  checkFinite,
  type Location,
  note,
  type Problems,
  readFloat,
  readId,
  readInteger,
} from "./validation.ts";

/** One group; undefined after noting its problems. */
export function readGroup(node: JsonNode, loc: Location, problems: Problems): EncodedGroup | undefined {
  if (node.kind !== "object") return note(problems, "model_attributes_type", loc, node);
  const before = problems.length;
  const texts = groupFields.map(({ name, kind, required }) => {
    const value = entryOf(node, name);
    if (value === undefined) return required ? note(problems, "missing", [...loc, name], node) : "null";
    if (value.kind === "null" && !required) return "null";
    return readField(value, kind, [...loc, name], problems);
  });
  if (problems.length > before) return undefined;
  const tokens = entryOf(node, "tokens");
  const envId = texts[groupFields.findIndex(({ name }) => name === "env_id")];
  return {
    body: Buffer.from(`{${groupFields.map(({ name }, index) => `"${name}":${texts[index]}`).join(",")}}`),
    sequences: tokens?.kind === "array" ? tokens.items.length : 0,
    envId: envId === undefined || envId === "null" ? null : Number(envId),
    groupId: null,
  };
}

/** A list of groups, all or none; undefined after noting the problems of all. */
export function readGroups(node: JsonNode, loc: Location, problems: Problems): EncodedGroup[] | undefined {
  if (node.kind !== "array") return note(problems, "list_type", loc, node);
  const groups = node.items
    .map((item, index) => readGroup(item, [...loc, index], problems))
    .filter((group) => group !== undefined);
  return groups.length === node.items.length ? groups : undefined;
}

/** The JSON text of one field that is not null; undefined after noting problems. */
function readField(node: JsonNode, kind: FieldKind, loc: Location, problems: Problems): string | undefined {
  switch (kind.type) {
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
