/**
 * Arguments for the formats that write values as untyped text: here a key's name says its type, so that one schema
 * holds for all calls, whatever their names.
 */
import fc from "fast-check";
import { plainValue } from "../../parsers/shared/plain-arguments.ts";
import type { ToolSchema } from "../../src/contracts/chat.ts";
import type { PythonDict, PythonValue } from "../../src/contracts/python-json.ts";
import { argumentDicts } from "./parser-contract.ts";

const properties = {
  city: { type: "string" },
  名: { type: "string" },
  "10": { type: "string" },
  count: { type: "integer" },
  ratio: { type: "number" },
  flag: { type: "boolean" },
  nothing: { type: "null" },
  list: { type: "array" },
  data: { type: "object" },
} as const;

export type TypedArgumentsOptions = {
  /** Whether the format can carry a value that is written so. */
  carries: (text: string) => boolean;
  without?: readonly (keyof typeof properties)[];
};

export function typedArguments(
  fragments: readonly string[],
  { carries, without = [] }: TypedArgumentsOptions,
): fc.Arbitrary<PythonDict> {
  const values = argumentDicts(fragments);
  const strings = values.map((dict) => [...dict.values()].map(plainValue).join(" "));
  const byKey: Record<keyof typeof properties, fc.Arbitrary<PythonValue>> = {
    city: strings,
    名: strings,
    "10": strings,
    count: fc.constantFrom(0n, -7n, 12345678901234567890n),
    // Whole floats come back as integers: vLLM makes 5 of "5.0".
    ratio: fc.constantFrom(-2.5, 1e-7, 0.1),
    flag: fc.boolean(),
    nothing: fc.constant(null),
    list: values.map((dict) => [...dict.values()]),
    data: values,
  };
  const keys = Object.keys(byKey).filter((key): key is keyof typeof properties =>
    without.every((left) => left !== key),
  );
  const entry = fc
    .constantFrom(...keys)
    .chain((key) => fc.tuple(fc.constant(key), byKey[key]))
    .filter(([, value]) => carries(plainValue(value)));
  return fc.array(entry, { maxLength: 4 }).map((entries) => new Map<string, PythonValue>(entries));
}

/** Tools of these names, all with that schema. */
export function typedTools(calls: readonly { name: string }[]): ToolSchema[] {
  return calls.map(({ name }) => tool(name, properties));
}

/** A tool for table tests. */
export function tool(name: string, schemas: Record<string, object>): ToolSchema {
  const parameters = {
    type: "object",
    properties: structuredClone(schemas),
  } as ToolSchema["function"]["parameters"];
  return { type: "function", function: { name, description: "", parameters } };
}
