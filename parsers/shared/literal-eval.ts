/** `json.loads`, then `ast.literal_eval`, then the text itself: how several parsers guess at an untyped value. */
import { type PythonValue, tryPythonJsonParse } from "../../src/contracts/python-json.ts";
import { type PythonNode, PythonProblem, readFirstStatement } from "./pythonic-reader.ts";
import { literalValue } from "./pythonic-values.ts";

/** Undefined where Python raises. */
export function literalEval(text: string): PythonValue | undefined {
  const source = text.replace(/^[ \t]+/, "");
  const node = readFirstStatement(source);
  if (node instanceof PythonProblem || source.slice(node.end).trim() !== "") return undefined;
  return isLiteral(node) ? literalValue(node, "lenient") : undefined;
}

/** The names null, true and false are none of Python's literals, and a set has no JSON. */
function isLiteral(node: PythonNode): boolean {
  if (node.kind === "name" || node.kind === "set") return false;
  if (node.kind === "list" || node.kind === "tuple") return node.items.every(isLiteral);
  if (node.kind === "dict") {
    return node.entries.every(({ key, value }) => key !== null && isLiteral(key) && isLiteral(value));
  }
  return true;
}

export function deserialize(text: string): PythonValue {
  const json = tryPythonJsonParse(text);
  if (json.ok) return json.value;
  const literal = literalEval(text);
  return literal === undefined ? text : literal;
}
