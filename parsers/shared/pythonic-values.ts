/**
 * What a Python expression means as an argument of a tool call, and the way back. "vllm" takes the literals that vLLM
 * takes; "lenient" also what the model can only have meant: signed numbers, tuples and sets (lists in JSON).
 */
import type { PythonDict, PythonValue } from "../../src/contracts/python-json.ts";
import { pythonFloatRepr } from "../../src/contracts/python-json.ts";
import { argumentsValue } from "./format-calls.ts";
import { pythonKeywords } from "./python-tokens.ts";
import type { PythonNode } from "./pythonic-reader.ts";
import { thinkingTags } from "./thinking-spans.ts";

export type Literals = "vllm" | "lenient";
export type PythonicCall = { ok: true; name: string; arguments: PythonDict } | { ok: false; reason: string };

const jsonNames = new Map<string, PythonValue>([
  ["null", null],
  ["true", true],
  ["false", false],
]);

/** The tool call that a call expression is. Arguments without a name are lost in "vllm" and refused in "lenient". */
export function pythonicCall(node: PythonNode, literals: Literals): PythonicCall {
  if (node.kind !== "call") return refuse("Every item of the list must be a call such as f(x=1).");
  const { callee } = node;
  if (callee === null) return refuse("A call needs the plain name of a tool.");
  if (literals === "lenient" && node.positional > 0) {
    return refuse(`Every argument of ${callee} must be given by its name, as in ${callee}(x=1).`);
  }
  const dict: PythonDict = new Map();
  for (const { name, value } of node.keywords) {
    const read = literalValue(value, literals);
    if (read === undefined) {
      return refuse(`The argument ${name ?? "**"} of ${callee} must be a literal, got ${describe(value)}.`);
    }
    if (name !== null) dict.set(name, read);
    else if (literals === "vllm") dict.set("null", read);
    else if (read instanceof Map) for (const [key, item] of read) dict.set(key, item);
    else return refuse(`** in the call of ${callee} needs a dict, got ${describe(value)}.`);
  }
  return { ok: true, name: callee, arguments: dict };
}

function refuse(reason: string): PythonicCall {
  return { ok: false, reason };
}

/** undefined = no literal. */
export function literalValue(node: PythonNode, literals: Literals): PythonValue | undefined {
  switch (node.kind) {
    case "constant":
      return node.value;
    case "name":
      return jsonNames.get(node.name);
    case "signed":
      return literals === "lenient" ? node.value : undefined;
    case "tuple":
    case "set":
      return literals === "lenient" ? listValue(node.items, literals) : undefined;
    case "list":
      return listValue(node.items, literals);
    case "dict":
      return dictValue(node.entries, literals);
    case "call":
    case "attribute":
    case "other":
      return undefined;
    default:
      return node satisfies never;
  }
}

function listValue(items: readonly PythonNode[], literals: Literals): PythonValue[] | undefined {
  const values: PythonValue[] = [];
  for (const item of items) {
    const value = literalValue(item, literals);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

type Entries = (PythonNode & { kind: "dict" })["entries"];

function dictValue(entries: Entries, literals: Literals): PythonDict | undefined {
  const dict: PythonDict = new Map();
  for (const { key, value } of entries) {
    const name = key === null ? undefined : keyText(key, literals);
    const read = literalValue(value, literals);
    if (name === undefined || read === undefined) return undefined;
    dict.set(name, read);
  }
  return dict;
}

/** A key as json.dumps spells it. */
function keyText(key: PythonNode, literals: Literals): string | undefined {
  if (key.kind === "signed") return literals === "lenient" ? scalarText(key.value) : undefined;
  return key.kind === "constant" ? scalarText(key.value) : undefined;
}

function scalarText(value: PythonValue): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number") {
    return Number.isFinite(value) ? pythonFloatRepr(value) : value > 0 ? "Infinity" : "-Infinity";
  }
  return typeof value === "object" && value !== null ? undefined : String(value);
}

function describe(node: PythonNode): string {
  switch (node.kind) {
    case "other":
      return node.what;
    case "name":
      return `the name ${node.name}`;
    case "call":
      return "a call";
    case "attribute":
      return "an attribute";
    case "signed":
      return "a negative number";
    default:
      return `a ${node.kind} with something else than literals in it`;
  }
}

/** `f(x=1, y='two')`, in which none of `tags` occurs, nor those of thinking. Keys that are no Python names go into `**{...}`, which only the lenient reading understands. */
export function formatPythonicCall(
  call: { name: string; arguments: string },
  tags: readonly string[] = [],
): string {
  const value = argumentsValue(call.arguments);
  const dict: PythonDict = value instanceof Map ? value : new Map([["input", value]]);
  const named: string[] = [];
  const others: PythonDict = new Map();
  for (const [key, value] of dict) {
    if (isKeywordName(key)) named.push(`${key}=${pythonRepr(value)}`);
    else others.set(key, value);
  }
  if (others.size > 0) named.push(`**${pythonRepr(others)}`);
  // Inside brackets a tag can only stand in a string, where an escape may replace its first character.
  const written = [...tags, ...thinkingTags].reduce(
    (text, tag) => text.replaceAll(tag, escapeFirst(tag)),
    named.join(", "),
  );
  return `${call.name}(${written})`;
}

function escapeFirst(tag: string): string {
  return `\\x${tag.charCodeAt(0).toString(16).padStart(2, "0")}${tag.slice(1)}`;
}

function isKeywordName(key: string): boolean {
  return (
    /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(key) &&
    !pythonKeywords.has(key) &&
    key.normalize("NFKC") === key
  );
}

/** A literal that reads as `value` again; its text never holds a line break. NaN has none and becomes None. */
export function pythonRepr(value: PythonValue): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") {
    if (Number.isNaN(value)) return "None";
    return Number.isFinite(value) ? pythonFloatRepr(value) : value > 0 ? "1e999" : "-1e999";
  }
  if (typeof value === "string") return quoteText(value);
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(", ")}]`;
  return `{${[...value].map(([key, item]) => `${quoteText(key)}: ${pythonRepr(item)}`).join(", ")}}`;
}

const namedEscapes: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "'": "\\'",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

function quoteText(text: string): string {
  const escaped = text.replace(/[\\'\p{Cc}\u2028\u2029]|\p{Cs}/gu, (character) => {
    const named = namedEscapes[character];
    if (named !== undefined) return named;
    const code = character.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `'${escaped}'`;
}
