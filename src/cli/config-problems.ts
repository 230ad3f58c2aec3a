/** Words for what is wrong with a configuration: where, what was expected, what came, and the nearest key. */
import type { z } from "zod";
import { nearestName } from "../contracts/closest-names.ts";
import type { ConfigPath } from "./config-file.ts";
import { alternatives, type FieldSchema, knownKeys, propertySchema, typeText } from "./config-schema.ts";
import { isSecretKey } from "./redact.ts";

export type IssueContext = {
  issue: z.core.$ZodIssue;
  /** JSON schema of the section. */
  schema: FieldSchema;
  /** `env`, `openai` or `openai[1]`. */
  section: string;
  /** Where the value at a path came from; "" where nobody wrote it. */
  origin: (path: ConfigPath) => string;
};

/** One line per problem: an issue about unknown keys may hold several. */
export function describeIssue({ issue, schema, section, origin }: IssueContext): string[] {
  const path = issue.path.filter((key) => typeof key !== "symbol");
  const node = schemaAt(schema, path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const nearest = nearestName(key, knownKeys(node) ?? []);
      const name = [section, ...path, key].join(".");
      return `${prefix(origin([...path, key]), name)}unknown key${nearest ? `; did you mean ${nearest}?` : ""}`;
    });
  }
  const name = [section, ...path].join(".");
  return [`${prefix(origin(path), name)}${describeValue(issue, node, path)}`];
}

function describeValue(issue: z.core.$ZodIssue, node: FieldSchema, path: ConfigPath): string {
  const got = isSecretKey(String(path.at(-1))) ? "another value" : show(issue.input);
  switch (issue.code) {
    case "invalid_type":
    case "invalid_value":
    case "invalid_union":
    case "too_small":
    case "too_big":
      if (issue.input === undefined) return `required, but not set (${typeText(node)})`;
      if (issue.code.startsWith("too_") && typeof issue.input !== "number") break;
      return `expected ${typeText(node)}, got ${got}`;
    default:
      break;
  }
  return issue.input === undefined ? issue.message : `${issue.message}, got ${got}`;
}

/** `--env.x: ` alone says the key too; a file's line or a class does not. */
function prefix(origin: string, name: string): string {
  if (origin.startsWith("--")) return `${origin}: `;
  return origin === "" ? `${name}: ` : `${origin}: ${name}: `;
}

function schemaAt(root: FieldSchema, path: ConfigPath): FieldSchema {
  let schema: FieldSchema = root;
  for (const key of path) {
    const next = typeof key === "number" ? itemSchema(schema) : propertySchema(schema, String(key));
    schema = next ?? {};
  }
  return schema;
}

function itemSchema(list: FieldSchema): FieldSchema | undefined {
  for (const { items } of alternatives(list)) {
    if (typeof items === "object" && !Array.isArray(items)) return items;
  }
  return undefined;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
