/**
 * The lax rules by which the original (pydantic) takes JSON values, and its way of saying what is wrong.
 * Clients were written against both: numbers may come as strings, `8.0` is an integer, and a 422 lists every
 * problem in field order with type, place, message and the offending input.
 *
 * One thing is stricter: floats must be finite. The original accepted NaN and then failed for ever at
 * writing the batch that held it.
 */
import { encodeNode, type JsonNode, numberOf } from "./json/json-node.ts";
import { floatText, integerText, pythonFloat } from "./json/number-text.ts";

export type Location = readonly (string | number)[];

export type Problem = {
  type: string;
  loc: Location;
  msg: string;
  /** JSON text of the offending value. */
  input: string;
  /** JSON text of further facts. */
  ctx?: string;
};

/** Where one request's problems gather. */
export type Problems = Problem[];

const PROBLEMS = {
  missing: "Field required",
  int_type: "Input should be a valid integer",
  int_parsing: "Input should be a valid integer, unable to parse string as an integer",
  int_parsing_size: "Unable to parse input string as an integer, exceeded maximum size",
  int_from_float: "Input should be a valid integer, got a number with a fractional part",
  float_type: "Input should be a valid number",
  float_parsing: "Input should be a valid number, unable to parse string as a number",
  finite_number: "Input should be a finite number",
  string_type: "Input should be a valid string",
  list_type: "Input should be a valid list",
  dict_type: "Input should be a valid dictionary",
  model_attributes_type: "Input should be a valid dictionary or object to extract fields from",
  too_short: "List should have at least 1 item after validation, not 0",
  string_too_long: "String should have at most 256 characters",
  value_error: "Value error, Message must have 'role' and 'content' fields",
} as const;

/** Notes a problem with a value; returns undefined so that a reader can end with it. */
export function note(
  problems: Problems,
  type: keyof typeof PROBLEMS,
  loc: Location,
  input: JsonNode,
  ctx?: string,
): undefined {
  problems.push({ type, loc, msg: PROBLEMS[type], input: encodeNode(input), ...(ctx && { ctx }) });
}

const BOUNDS = {
  greater_than: { msg: "greater than", ctx: "gt" },
  greater_than_equal: { msg: "greater than or equal to", ctx: "ge" },
  less_than_equal: { msg: "less than or equal to", ctx: "le" },
} as const;

/** Notes a number on the wrong side of a bound. */
export function noteBound(
  problems: Problems,
  type: keyof typeof BOUNDS,
  bound: number,
  loc: Location,
  input: JsonNode,
): undefined {
  const { msg, ctx } = BOUNDS[type];
  problems.push({
    type,
    loc,
    msg: `Input should be ${msg} ${bound}`,
    input: encodeNode(input),
    ctx: `{"${ctx}":${bound}}`,
  });
}

const LARGEST_INTEGER_FROM_FLOAT = 2 ** 63;

/** The integer's digits; undefined after noting a problem. */
export function readInteger(node: JsonNode, loc: Location, problems: Problems): string | undefined {
  switch (node.kind) {
    case "integer":
      return integerText(node.lexeme);
    case "boolean":
      return node.value ? "1" : "0";
    case "float": {
      const value = numberOf(node);
      if (!Number.isFinite(value)) return note(problems, "finite_number", loc, node);
      if (!Number.isInteger(value)) return note(problems, "int_from_float", loc, node);
      if (Math.abs(value) >= LARGEST_INTEGER_FROM_FLOAT) return note(problems, "int_parsing_size", loc, node);
      return BigInt(value).toString();
    }
    case "string": {
      const match = /^([+-]?)(\d+(?:_\d+)*)(?:\.0*)?$/.exec(node.value.trim());
      if (match === null) return note(problems, "int_parsing", loc, node);
      const digits = BigInt((match[2] ?? "").replaceAll("_", ""));
      return (match[1] === "-" ? -digits : digits).toString();
    }
    default:
      return note(problems, "int_type", loc, node);
  }
}

/** An environment's id, as digits; undefined after noting a problem. Ids don't count from the end. */
export function readId(node: JsonNode, loc: Location, problems: Problems): string | undefined {
  const digits = readInteger(node, loc, problems);
  if (digits?.startsWith("-")) return noteBound(problems, "greater_than_equal", 0, loc, node);
  return digits;
}

/** The float's JSON text; undefined after noting a problem. */
export function readFloat(node: JsonNode, loc: Location, problems: Problems): string | undefined {
  switch (node.kind) {
    case "boolean":
      return node.value ? "1.0" : "0.0";
    case "integer":
    case "float":
      if (!Number.isFinite(numberOf(node))) return note(problems, "finite_number", loc, node);
      return floatText(node.lexeme);
    case "string": {
      const text = node.value.trim();
      if (/^[+-]?(?:inf|infinity|nan)$/i.test(text)) return note(problems, "finite_number", loc, node);
      if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) {
        return note(problems, "float_parsing", loc, node);
      }
      const value = Number(text);
      return Number.isFinite(value) ? pythonFloat(value) : note(problems, "finite_number", loc, node);
    }
    default:
      return note(problems, "float_type", loc, node);
  }
}

/** The string; undefined after noting a problem. Nothing is turned into a string. */
export function readString(node: JsonNode, loc: Location, problems: Problems): string | undefined {
  return node.kind === "string" ? node.value : note(problems, "string_type", loc, node);
}

/** Notes every NaN and Infinity inside a value that has no type of its own. */
export function checkFinite(node: JsonNode, loc: Location, problems: Problems): void {
  if (node.kind === "array") {
    for (const [index, item] of node.items.entries()) checkFinite(item, [...loc, index], problems);
  } else if (node.kind === "object") {
    for (const [key, item] of node.entries) checkFinite(item, [...loc, key], problems);
  } else if (node.kind === "float" && !Number.isFinite(numberOf(node))) {
    note(problems, "finite_number", loc, node);
  }
}

/** The body of a 422. */
export function encodeProblems(problems: readonly Problem[]): string {
  const details = problems.map(
    ({ type, loc, msg, input, ctx }) =>
      `{"type":"${type}","loc":${JSON.stringify(loc)},"msg":${JSON.stringify(msg)},"input":${input}${ctx === undefined ? "" : `,"ctx":${ctx}`}}`,
  );
  return `{"detail":[${details.join(",")}]}`;
}
