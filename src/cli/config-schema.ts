/**
 * A zod config schema seen as JSON schema: the one description from which flags are parsed, keys are
 * checked, and `--help` is printed. Nothing about a field is written down twice.
 */
import { z } from "zod";

export type FieldSchema = z.core.JSONSchema.BaseSchema;

export type ConfigField = {
  name: string;
  /** Readable type, e.g. `integer >= 1`, `"STOP_TRAIN" | "NONE"`, `string[] | null`. */
  typeText: string;
  /** JSON text of the default; undefined = the field must be given or may stay unset. */
  defaultText: string | undefined;
  required: boolean;
  description: string;
};

/** The JSON schema of what users may write (before defaults and transforms apply). */
export function toConfigSchema(schema: z.ZodObject): FieldSchema {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline", cycles: "ref" });
}

/** The alternatives of a union (with `null` as one of them), or the schema itself. */
export function alternatives(schema: FieldSchema): FieldSchema[] {
  const union = schema.anyOf ?? schema.oneOf;
  if (union !== undefined) return union.flatMap((part) => alternatives(asSchema(part)));
  const { type } = schema;
  if (Array.isArray(type)) {
    return type.map(
      (single): FieldSchema => (single === "null" ? { type: "null" } : { ...schema, type: single }),
    );
  }
  return [schema];
}

/** The schema of one key of an object, or undefined where the object has no such key. */
export function propertySchema(schema: FieldSchema, key: string): FieldSchema | undefined {
  for (const option of alternatives(schema)) {
    const property = option.properties?.[key];
    if (property !== undefined) return asSchema(property);
    const { additionalProperties: additional } = option;
    const isMap = option.type === "object" && additional !== undefined && additional !== false;
    if (isMap) return asSchema(additional);
    if (isOpen(option)) return {};
  }
  return undefined;
}

/** Names of the keys an object declares; undefined when it takes any key. */
export function knownKeys(schema: FieldSchema): string[] | undefined {
  const keys = new Set<string>();
  for (const option of alternatives(schema)) {
    if (option.type === "object" && option.additionalProperties !== false) return undefined;
    if (isOpen(option)) return undefined;
    for (const key of Object.keys(option.properties ?? {})) keys.add(key);
  }
  return [...keys];
}

/** Every field of a config object, in the order in which the schema declares them. */
export function configFields(schema: z.ZodObject): ConfigField[] {
  const root = toConfigSchema(schema);
  const required = new Set(root.required ?? []);
  return Object.entries(root.properties ?? {}).map(([name, property]) => {
    const field = asSchema(property);
    const unset = z.safeParse(schema.shape[name] ?? z.never(), undefined);
    return {
      name,
      typeText: typeText(field),
      defaultText: unset.data === undefined ? undefined : JSON.stringify(unset.data),
      required: required.has(name),
      description: field.description ?? "",
    };
  });
}

/** A short readable type for `--help` and error messages. */
export function typeText(schema: FieldSchema): string {
  const texts = alternatives(schema).map(singleTypeText);
  return [...new Set(texts)].join(" | ") || "any";
}

function singleTypeText(schema: FieldSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  switch (schema.type) {
    case "array": {
      const items =
        schema.items === undefined || Array.isArray(schema.items) ? "any" : typeText(asSchema(schema.items));
      return items.includes(" ") ? `(${items})[]` : `${items}[]`;
    }
    case "object":
      return "object";
    case "integer":
    case "number":
      return schema.type + rangeText(schema);
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    default:
      return "any";
  }
}

function rangeText({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: FieldSchema): string {
  const low = limitText(">=", minimum) || limitText(">", exclusiveMinimum);
  const high = limitText("<=", maximum) || limitText("<", exclusiveMaximum);
  return low && high ? `${low} and${high}` : low + high;
}

/** Zod bounds every integer by the safe ones: such a limit says nothing to people. */
function limitText(sign: string, limit: number | boolean | undefined): string {
  return typeof limit === "number" && Math.abs(limit) < Number.MAX_SAFE_INTEGER ? ` ${sign} ${limit}` : "";
}

/** True for a schema that says nothing: any JSON value fits. */
function isOpen(schema: FieldSchema): boolean {
  return schema.type === undefined && schema.enum === undefined && schema.const === undefined;
}

function asSchema(part: FieldSchema | boolean): FieldSchema {
  return typeof part === "boolean" ? {} : part;
}
