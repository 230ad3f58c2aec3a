/**
 * What a program can be tested by, and reading it from the columns that public datasets have:
 *
 * - `input_output` (APPS, TACO): `{ inputs, outputs, fn_name? }`, as an object or JSON text;
 * - `public_test_cases`, `private_test_cases` (LiveCodeBench): JSON text, the private ones zipped perhaps;
 * - `test_list` with `test_setup_code`/`test_imports` (MBPP): assert statements;
 * - `test` with `entry_point` (HumanEval): a function `check(candidate)`; `prompt` brings the imports and helpers;
 * - `tests` (our own): a list of `{ input, output }`, `{ function, args, expected }`, or assert statements.
 */
import { inflateSync } from "node:zlib";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { RewardItem } from "../reward.ts";

export type CodeTest =
  /** The program reads the input and prints the output. */
  | { kind: "stdio"; input: string; output: string }
  /** A call by name; arguments and what it returns as JSON text. */
  | { kind: "call"; name: string; args: string; expected: unknown }
  /** Test code of the row, which calls the model's. */
  | { kind: "asserts"; setup: readonly string[]; test: string; entryPoint: string | null };

const text = z.union([z.string(), z.array(z.string()).transform((lines) => lines.join("\n"))]);
const inputOutput = z.object({
  inputs: z.array(z.unknown()),
  outputs: z.array(z.unknown()),
  fn_name: z.string().nullish(),
});
const publishedCase = z.object({
  input: z.string(),
  output: z.string(),
  testtype: z.string().default("stdin"),
});
const functionName = z.object({ func_name: z.string().nullish() });
const ownTest = z.union([
  z.string(),
  z.strictObject({ input: z.string(), output: z.string() }),
  z.strictObject({ function: z.string(), args: z.array(z.json()), expected: z.json() }),
]);
const longestUnzippedBytes = 256 * 1_048_576;

/** Throws REWARD_ITEM_INVALID where the item has no tests, or some that can't be read. */
export function readCodeTests(item: RewardItem): CodeTest[] {
  const tests = readAny(item);
  if (tests === null || tests.length === 0) {
    throw invalid(item, "has no tests: none of tests, input_output, public_test_cases, test_list, test");
  }
  return tests;
}

function readAny(item: RewardItem): CodeTest[] | null {
  if (item.tests !== undefined && item.tests !== null) return readOwn(item);
  if (isGiven(item.input_output)) return readInputOutput(item);
  if (isGiven(item.public_test_cases) || isGiven(item.private_test_cases)) return readPublished(item);
  if (isGiven(item.test_list)) return readAsserts(item, parse(item, "test_list", z.array(z.string())));
  if (isGiven(item.test)) return readCheck(item);
  return null;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== "";

function readOwn(item: RewardItem): CodeTest[] {
  return parse(item, "tests", z.array(ownTest)).map((test): CodeTest => {
    if (typeof test === "string") return assertTest(item, test);
    if ("input" in test) return { kind: "stdio", ...test };
    return { kind: "call", name: test.function, args: JSON.stringify(test.args), expected: test.expected };
  });
}

function readInputOutput(item: RewardItem): CodeTest[] {
  const { inputs, outputs, fn_name: name } = parse(item, "input_output", inputOutput);
  if (inputs.length !== outputs.length) {
    throw invalid(item, `has ${inputs.length} inputs and ${outputs.length} outputs`);
  }
  return inputs.map((input, index): CodeTest => {
    const output = outputs[index];
    if (name === undefined || name === null) {
      const parsed = z.tuple([text, text]).safeParse([input, output]);
      if (!parsed.success) throw invalid(item, `input_output: number ${index} is no text`);
      return { kind: "stdio", input: parsed.data[0], output: parsed.data[1] };
    }
    if (!Array.isArray(input)) throw invalid(item, `input_output: number ${index} is no list of arguments`);
    return { kind: "call", name, args: JSON.stringify(input), expected: unwrapped(output) };
  });
}

/** APPS wraps what a function returns in a list of one. */
const unwrapped = (output: unknown): unknown =>
  Array.isArray(output) && output.length === 1 ? new EitherOf([output, output[0]]) : output;

/** An expectation with several readings; any of them will do. */
export class EitherOf {
  readonly values: readonly unknown[];
  constructor(values: readonly unknown[]) {
    this.values = values;
  }
}

function readPublished(item: RewardItem): CodeTest[] {
  const name = isGiven(item.metadata) ? parse(item, "metadata", functionName).func_name : undefined;
  const cases = ["public_test_cases", "private_test_cases"].flatMap((field) =>
    isGiven(item[field]) ? parse(item, field, z.array(publishedCase)) : [],
  );
  return cases.map(({ input, output, testtype }): CodeTest => {
    if (testtype !== "functional") return { kind: "stdio", input, output };
    if (name === undefined || name === null)
      throw invalid(item, "has functional tests and no metadata.func_name");
    const args = `[${input
      .split("\n")
      .filter((line) => line.trim() !== "")
      .join(",")}]`;
    return { kind: "call", name, args, expected: fromJson(item, "output", output) };
  });
}

function readAsserts(item: RewardItem, asserts: readonly string[]): CodeTest[] {
  return asserts.map((test) => assertTest(item, test));
}

function assertTest(item: RewardItem, test: string): CodeTest {
  const imports = z.array(z.string()).catch([]).parse(item.test_imports);
  const setup = [item.test_setup_code, item.setup].flatMap((code) =>
    typeof code === "string" ? [code] : [],
  );
  return { kind: "asserts", setup: [...imports, ...setup], test, entryPoint: null };
}

function readCheck(item: RewardItem): CodeTest[] {
  const test = parse(item, "test", z.string());
  const entryPoint = isGiven(item.entry_point) ? parse(item, "entry_point", z.string()) : null;
  // The prompt's functions without a body have their docstring for one; a prompt that is prose is no setup.
  const prompt = typeof item.prompt === "string" && /^\s*(def|class|from|import|@)\b/m.test(item.prompt);
  return [{ kind: "asserts", setup: prompt ? [String(item.prompt)] : [], test, entryPoint }];
}

function parse<Schema extends z.ZodType>(item: RewardItem, field: string, schema: Schema): z.output<Schema> {
  const given = item[field];
  const known = schema.safeParse(given);
  if (known.success) return known.data;
  const parsed = schema.safeParse(typeof given === "string" ? fromJson(item, field, given) : given);
  if (parsed.success) return parsed.data;
  throw invalid(item, `${field}: ${z.prettifyError(parsed.error)}`);
}

function fromJson(item: RewardItem, field: string, given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    const unzipped = unzippedText(given);
    if (unzipped !== null) return fromJson(item, field, unzipped);
    throw invalid(item, `${field} is no JSON: ${given.slice(0, 80)}`);
  }
}

/** LiveCodeBench's private tests: base64 of zlib of a pickle of one string, which is JSON. Nothing is unpickled. */
function unzippedText(given: string): string | null {
  if (!/^[\w+/]+=*$/.test(given)) return null;
  try {
    const bytes = inflateSync(Buffer.from(given, "base64"), { maxOutputLength: longestUnzippedBytes });
    const [start, end] = [bytes.indexOf("["), bytes.lastIndexOf("]")];
    return start < 0 ? null : bytes.subarray(start, end + 1).toString("utf8");
  } catch {
    return null;
  }
}

function invalid(item: RewardItem, why: string): LachesisError {
  return new LachesisError("REWARD_ITEM_INVALID", `The item ${why}.`, {
    hint: `Its columns: ${Object.keys(item).join(", ") || "none"}. docs/rewards.md says which can be read.`,
  });
}
