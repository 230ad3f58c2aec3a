/** Arguments that calls in Python's spelling can carry: names that vLLM's pattern knows as keys at the top, and no negative numbers. */
import fc from "fast-check";
import { pythonKeywords } from "../../parsers/shared/python-tokens.ts";
import type { PythonDict, PythonValue } from "../../src/contracts/python-json.ts";
import type { Carries } from "./parser-contract.ts";
import { argumentDicts } from "./parser-contract.ts";

export function pythonicCarries(fragments: readonly string[]): Carries {
  return {
    content: fc.constant(null),
    names: fc
      .oneof(fc.constantFrom("get_weather", "search"), fc.stringMatching(/^[a-z][a-zA-Z0-9_]{0,12}$/))
      .filter(isName),
    arguments: argumentDicts(fragments).map(
      (dict): PythonDict =>
        new Map([...dict].filter(([key]) => isName(key)).map(([key, value]) => [key, withoutSigns(value)])),
    ),
  };
}

function isName(text: string): boolean {
  return /^[a-zA-Z]\w*$/.test(text) && !pythonKeywords.has(text);
}

function withoutSigns(value: PythonValue): PythonValue {
  if (typeof value === "bigint" && value < 0n) return -value;
  if (typeof value === "number") return Math.abs(value);
  if (Array.isArray(value)) return value.map(withoutSigns);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, withoutSigns(item)]));
  return value;
}
