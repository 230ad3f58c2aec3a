/**
 * Reads a YAML config file and remembers where each key stands, so that an error can say `file:line`. The
 * content is checked against the schemas later, together with the flags (resolve-config.ts).
 */
import { readFile } from "node:fs/promises";
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { LachesisError } from "../contracts/errors.ts";

export type ConfigPath = readonly (string | number)[];
export type ConfigMap = { [key: string]: unknown };

export type ConfigFile = {
  /** The path as the user wrote it. */
  path: string;
  content: ConfigMap;
  /** `file:line` of the key at `path`, or of its nearest ancestor that stands in the file. */
  locate(path: ConfigPath): string;
};

/** Rejects with CONFIG_FILE_INVALID when the file can't be read, is no YAML, or holds no map. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LachesisError("CONFIG_FILE_INVALID", `Can't read the config file ${path}: ${reason}`, {
      hint: "Pass --config the path of a YAML file with the top-level keys env and openai.",
      cause,
    });
  }
  return parseConfigFile(text, path);
}

/** The part of `readConfigFile` that needs no file. */
export function parseConfigFile(text: string, path: string): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) {
    const { line, col } = lines.linePos(syntaxError.pos[0]);
    const wrong =
      syntaxError.code === "MULTIPLE_DOCS"
        ? "expected one YAML document, got a second one"
        : `not valid YAML: ${syntaxError.message}`;
    throw new LachesisError("CONFIG_FILE_INVALID", `${path}:${line}:${col}: ${wrong}`);
  }
  const content = plainValue(document, path);
  if (content !== null && !isConfigMap(content)) {
    throw new LachesisError(
      "CONFIG_FILE_INVALID",
      `${path}: expected a map at the top, got ${describe(content)}`,
      {
        hint: "A config file has the top-level keys env and openai.",
      },
    );
  }
  const root = document.contents;
  const locate = (keys: ConfigPath): string => {
    const offset = isNode(root) ? findOffset(root, keys) : undefined;
    return offset === undefined ? path : `${path}:${lines.linePos(offset).line}`;
  };
  return { path, content: content ?? {}, locate };
}

/** Aliases are followed here: one that holds itself, or very many of them, is refused. */
function plainValue(document: Document.Parsed, path: string): unknown {
  try {
    const value: unknown = document.toJS();
    JSON.stringify(value);
    return value;
  } catch (cause) {
    throw new LachesisError("CONFIG_FILE_INVALID", `${path}: its aliases (*name) don't come to an end`, {
      hint: "Write the values out, or let an alias stand only for what it doesn't lie in.",
      cause,
    });
  }
}

/** True for a plain map, as YAML and JSON make them. */
export function isConfigMap(value: unknown): value is ConfigMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Offset of the deepest key of the path that the document has. */
function findOffset(root: Node, keys: ConfigPath): number | undefined {
  let node: unknown = root;
  let offset: number | undefined;
  for (const key of keys) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) break;
      offset = isNode(pair.key) ? pair.key.range?.[0] : offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      if (!isNode(node)) break;
      offset = node.range?.[0];
    } else break;
  }
  return offset;
}

function describe(value: unknown): string {
  return Array.isArray(value) ? "a list" : `${typeof value} ${JSON.stringify(value)}`;
}
