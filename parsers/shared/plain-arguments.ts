/** Arguments as the XML-like formats write them: strings as they are, everything else as JSON. */
import type { PythonValue } from "../../src/contracts/python-json.ts";
import { argumentsValue } from "./format-calls.ts";
import { dumpJson } from "./json-calls.ts";

/** The entries of a call's arguments, values as plain text. Arguments that are no JSON object have none. */
export function plainArguments(text: string): [key: string, value: string][] {
  return argumentEntries(text).map(([key, value]) => [key, plainValue(value)]);
}

/** The entries of a call's arguments as values. */
export function argumentEntries(text: string): [key: string, value: PythonValue][] {
  const value = argumentsValue(text);
  return value instanceof Map ? [...value] : [];
}

/** A string as it is, anything else as JSON. */
export function plainValue(value: PythonValue): string {
  return typeof value === "string" ? value : dumpJson(value);
}
