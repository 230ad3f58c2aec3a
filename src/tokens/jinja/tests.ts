/** Jinja's tests: `x is mapping`, and by name in `selectattr("role", "equalto", "user")`. */
import { contains } from "./operators.ts";
import { asIndex, asNumber, compare, isEqual, type JinjaValue, Tuple } from "./values.ts";

export type JinjaTest = (value: JinjaValue, ...more: readonly JinjaValue[]) => boolean;

const isSequence = (value: JinjaValue) =>
  // Python's dict and Undefined have a length and a __getitem__, too, which is all that Jinja asks for.
  typeof value === "string" ||
  Array.isArray(value) ||
  value instanceof Map ||
  value instanceof Tuple ||
  value === undefined;
const equal: JinjaTest = (value, other) => isEqual(value, other);

export const tests: ReadonlyMap<string, JinjaTest> = new Map<string, JinjaTest>([
  ["defined", (value) => value !== undefined],
  ["undefined", (value) => value === undefined],
  ["none", (value) => value === null],
  ["boolean", (value) => typeof value === "boolean"],
  ["true", (value) => value === true],
  ["false", (value) => value === false],
  ["integer", (value) => typeof value === "bigint"],
  ["float", (value) => typeof value === "number"],
  ["number", (value) => asNumber(value) !== null],
  ["string", (value) => typeof value === "string"],
  ["mapping", (value) => value instanceof Map],
  ["sequence", isSequence],
  ["iterable", isSequence],
  ["callable", (value) => typeof value === "function"],
  ["odd", (value) => Math.abs(asIndex(value, "number") % 2) === 1],
  ["even", (value) => asIndex(value, "number") % 2 === 0],
  ["divisibleby", (value, by) => asIndex(value, "number") % asIndex(by, "number") === 0],
  ["lower", (value) => typeof value === "string" && /\p{L}/u.test(value) && value === value.toLowerCase()],
  ["upper", (value) => typeof value === "string" && /\p{L}/u.test(value) && value === value.toUpperCase()],
  ["in", contains],
  ["eq", equal],
  ["equalto", equal],
  ["==", equal],
  ["ne", (value, other) => !isEqual(value, other)],
  ["!=", (value, other) => !isEqual(value, other)],
  ["lt", (value, other) => compare(value, other) < 0],
  ["lessthan", (value, other) => compare(value, other) < 0],
  ["<", (value, other) => compare(value, other) < 0],
  ["le", (value, other) => compare(value, other) <= 0],
  ["<=", (value, other) => compare(value, other) <= 0],
  ["gt", (value, other) => compare(value, other) > 0],
  ["greaterthan", (value, other) => compare(value, other) > 0],
  [">", (value, other) => compare(value, other) > 0],
  ["ge", (value, other) => compare(value, other) >= 0],
  [">=", (value, other) => compare(value, other) >= 0],
]);
