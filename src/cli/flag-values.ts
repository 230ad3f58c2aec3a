/** Gives the texts of dotted flags their meaning: a nested map with values of the schema's types. */
import { LachesisError } from "../contracts/errors.ts";
import { coerceText, isListSchema, readBoolean, takesBareFlag } from "./coerce-text.ts";
import { type ConfigMap, isConfigMap } from "./config-file.ts";
import { type FieldSchema, propertySchema } from "./config-schema.ts";
import type { DottedFlag } from "./dotted-flags.ts";

/**
 * Unknown keys are carried along for validation to report. A repeated flag adds to a list and otherwise
 * replaces. Throws CONFIG_INVALID for a flag that lacks its value, or can't be negated.
 */
export function flagsToMap(flags: readonly DottedFlag[], root: FieldSchema): ConfigMap {
  const map: ConfigMap = {};
  for (const flag of flags) {
    const { parent, key } = descend(map, flag);
    const schema = schemaAt(root, flag.path);
    const value = flagValue(flag, schema);
    const before = Object.hasOwn(parent, key) ? parent[key] : undefined;
    const adds = isListSchema(schema) && Array.isArray(before) && Array.isArray(value);
    const next = adds ? [...before, ...value] : value;
    Object.defineProperty(parent, key, { value: next, enumerable: true, configurable: true, writable: true });
  }
  return map;
}

function flagValue(flag: DottedFlag, schema: FieldSchema): unknown {
  if (flag.negated) {
    if (takesBareFlag(schema) && flag.text === undefined) return false;
    throw new LachesisError(
      "CONFIG_INVALID",
      `${flag.name}: only a boolean key takes --no-, without a value`,
    );
  }
  if (flag.text === undefined) {
    if (takesBareFlag(schema)) return true;
    throw new LachesisError("CONFIG_INVALID", `${flag.name}: expected a value after it`, {
      hint: `A value that starts with -- is written with an equals sign: ${flag.name}=--value.`,
    });
  }
  if (takesBareFlag(schema) && readBoolean(flag.text) === undefined && schema.type === "boolean") {
    throw new LachesisError("CONFIG_INVALID", `${flag.name}: expected true or false, got "${flag.text}"`, {
      hint: "Put the environment's name before the flags, or give the flag its value.",
    });
  }
  return coerceText(flag.text, schema, flag.name);
}

function schemaAt(root: FieldSchema, path: readonly string[]): FieldSchema {
  let schema: FieldSchema = root;
  for (const key of path) schema = propertySchema(schema, key) ?? {};
  return schema;
}

function descend(map: ConfigMap, flag: DottedFlag): { parent: ConfigMap; key: string } {
  let parent = map;
  const keys = flag.path.slice(0, -1);
  for (const step of keys) {
    const next: unknown = Object.hasOwn(parent, step) ? parent[step] : undefined;
    if (isConfigMap(next)) {
      parent = next;
      continue;
    }
    const made: ConfigMap = {};
    Object.defineProperty(parent, step, {
      value: made,
      enumerable: true,
      configurable: true,
      writable: true,
    });
    parent = made;
  }
  return { parent, key: flag.path.at(-1) ?? "" };
}
