/**
 * Turns the text of a flag into the value its schema asks for. Text that fits no alternative comes back as
 * it is, so that validation reports it together with what was expected; only broken JSON throws here,
 * because the parser's own words say best what is wrong.
 */
import { LachesisError } from "../contracts/errors.ts";
import { alternatives, type FieldSchema } from "./config-schema.ts";

const booleanTexts: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["yes", true],
  ["on", true],
  ["1", true],
  ["false", false],
  ["no", false],
  ["off", false],
  ["0", false],
]);

/** The boolean a flag's text stands for, or undefined where it is none. */
export function readBoolean(text: string): boolean | undefined {
  return booleanTexts.get(text.toLowerCase());
}

/** True where a flag without a value means `true`. */
export function takesBareFlag(schema: FieldSchema): boolean {
  return alternatives(schema).some((option) => option.type === "boolean");
}

/** True where a repeated flag adds to a list instead of replacing the value before it. */
export function isListSchema(schema: FieldSchema): boolean {
  return alternatives(schema).some((option) => option.type === "array");
}

/**
 * Reads one value. `null` and `None` give null where null is allowed; `[..]` and `{..}` are JSON; a list also
 * reads `a,b`. Throws CONFIG_INVALID on broken JSON; `where` names the flag.
 */
export function coerceText(text: string, schema: FieldSchema, where: string): unknown {
  const options = alternatives(schema);
  const has = (type: string) => options.find((option) => option.type === type);
  const isAny = options.some(
    (option) => option.type === undefined && option.enum === undefined && option.const === undefined,
  );

  const literal = options
    .flatMap((option) => option.enum ?? (option.const === undefined ? [] : [option.const]))
    .find((value) => String(value) === text);
  if (literal !== undefined) return literal;
  if ((has("null") || isAny) && (text === "null" || text === "None")) return null;
  if (has("boolean")) {
    const value = readBoolean(text);
    if (value !== undefined) return value;
  }
  if ((has("number") || has("integer")) && isNumeric(text)) return Number(text);
  const list = has("array");
  if (list && text.trimStart().startsWith("[")) return parseJson(text, "a JSON array or a,b", where);
  if (list && !has("string")) return splitList(text, list, where);
  if (has("object") && text.trimStart().startsWith("{")) return parseJson(text, "a JSON object", where);
  if (isAny && !has("string")) return readAny(text);
  return text;
}

function splitList(text: string, list: FieldSchema, where: string): unknown[] {
  const items: FieldSchema = typeof list.items === "object" && !Array.isArray(list.items) ? list.items : {};
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => coerceText(part, items, where));
}

function isNumeric(text: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim());
}

function parseJson(text: string, expected: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LachesisError("CONFIG_INVALID", `${where}: expected ${expected}, got ${text} (${reason})`, {
      hint: "Quote the value for your shell, e.g. '[\"python\"]' or '{\"top_k\": 5}'.",
    });
  }
}

function readAny(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
