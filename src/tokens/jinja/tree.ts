/**
 * The syntax tree that @huggingface/jinja parses. It exports no types of its nodes, so each field is checked
 * where it is read: a field that isn't what we think is a bug here, found when the template is compiled.
 */
import { parse, tokenize } from "@huggingface/jinja";
import { TemplateError } from "./template-error.ts";

export type Node = { readonly type: string };

/** Parses with the whitespace rules that transformers sets. Throws a TemplateError. */
export function parseTemplate(source: string): Node {
  try {
    return parse(tokenize(source.replaceAll(/\r\n?/g, "\n"), { lstrip_blocks: true, trim_blocks: true }));
  } catch (error) {
    // The parser reads past the end of the text without looking.
    const reason =
      error instanceof Error && !(error instanceof TypeError)
        ? error.message
        : "it ends inside a block or expression";
    throw new TemplateError("syntax", reason);
  }
}

export function field(node: Node, key: string): unknown {
  return Reflect.get(node, key);
}

export function child(node: Node, key: string): Node {
  return asNode(field(node, key), `${node.type}.${key}`);
}

export function optionalChild(node: Node, key: string): Node | null {
  return field(node, key) == null ? null : child(node, key);
}

export function children(node: Node, key: string): Node[] {
  const value = field(node, key);
  if (!Array.isArray(value)) throw unexpected(`${node.type}.${key}`);
  return value.map((item) => asNode(item, `${node.type}.${key}`));
}

/** The pairs of an object literal. */
export function pairs(node: Node): [Node, Node][] {
  const value = field(node, "value");
  if (!(value instanceof Map)) throw unexpected(node.type);
  return [...value].map(([key, item]) => [asNode(key, node.type), asNode(item, node.type)]);
}

export function text(node: Node, key = "value"): string {
  const value = field(node, key);
  if (typeof value !== "string") throw unexpected(`${node.type}.${key}`);
  return value;
}

/** An operator stands in the tree as its token. */
export function operatorOf(node: Node): string {
  return text(child(node, "operator"));
}

function asNode(value: unknown, what: string): Node {
  if (typeof value === "object" && value !== null && "type" in value && typeof value.type === "string") {
    return Object.assign(value, { type: value.type });
  }
  throw unexpected(what);
}

function unexpected(what: string): TemplateError {
  return new TemplateError("syntax", `${what} isn't what @huggingface/jinja is known to give`);
}
