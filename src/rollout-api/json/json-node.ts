/**
 * JSON with nothing lost: numbers stay the text they came as (integers beyond 2^53, `1.0` against `1`), and
 * the literals NaN and Infinity, which Python writes and reads, are floats. Repeated keys are all kept; the
 * last one counts.
 */
import { floatText, integerText } from "./number-text.ts";

export type JsonNode =
  | { kind: "object"; entries: readonly (readonly [string, JsonNode])[] }
  | { kind: "array"; items: readonly JsonNode[] }
  | { kind: "string"; value: string }
  | { kind: "integer"; lexeme: string }
  | { kind: "float"; lexeme: string }
  | { kind: "boolean"; value: boolean }
  | { kind: "null" };

export type ObjectNode = Extract<JsonNode, { kind: "object" }>;

/** The value of an object's key; undefined = absent. */
export function entryOf(node: ObjectNode, key: string): JsonNode | undefined {
  return node.entries.findLast(([name]) => name === key)?.[1];
}

/** The number a float or integer node stands for; the literals give NaN and ±Infinity. */
export function numberOf(node: { lexeme: string }): number {
  return Number(node.lexeme);
}

/**
 * Compact JSON text. Non-finite floats, which JSON can't say, come out as strings ("NaN"): they occur only
 * where the rejected input is echoed.
 */
export function encodeNode(node: JsonNode): string {
  switch (node.kind) {
    case "object":
      return `{${node.entries.map(([key, value]) => `${JSON.stringify(key)}:${encodeNode(value)}`).join(",")}}`;
    case "array":
      return `[${node.items.map(encodeNode).join(",")}]`;
    case "string":
      return JSON.stringify(node.value);
    case "integer":
      return integerText(node.lexeme);
    case "float":
      return Number.isFinite(numberOf(node)) ? floatText(node.lexeme) : `"${node.lexeme}"`;
    case "boolean":
      return node.value ? "true" : "false";
    case "null":
      return "null";
    default:
      return node satisfies never;
  }
}
