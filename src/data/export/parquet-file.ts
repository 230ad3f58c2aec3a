/**
 * Writes lines as a Parquet file, a row group at a time, so that memory holds one group of rows. The writer is a
 * package of its own, loaded when the first such file is asked for.
 */
import type { SchemaElement } from "hyparquet-writer";
import type { JsonObject, JsonValue } from "../../contracts/chat.ts";
import { unwritable } from "../jsonl-file.ts";
import type { Columns, ColumnType } from "./export-format.ts";

/** Rows go to disk when there are so many, or when they are about so many characters of JSON. */
const GROUP_ROWS = 10_000;
const GROUP_CHARACTERS = 64 * 1024 * 1024;

export class ParquetFile {
  readonly path: string;
  readonly #columns: Columns;
  readonly #writer: import("hyparquet-writer").ParquetWriter;
  #rows: JsonObject[] = [];
  #characters = 0;
  #lines = 0;

  private constructor(path: string, columns: Columns, library: typeof import("hyparquet-writer")) {
    this.path = path;
    this.#columns = columns;
    const schema = [
      { name: "root", num_children: Object.keys(columns).length },
      ...Object.entries(columns).flatMap(([name, type]) => schemaOf(name, type)),
    ];
    this.#writer = new library.ParquetWriter({ writer: library.fileWriter(path), schema });
  }

  /** Creates or empties the file. Rejects with OUTPUT_UNWRITABLE. */
  static async create(path: string, columns: Columns): Promise<ParquetFile> {
    const library = await import("hyparquet-writer");
    try {
      return new ParquetFile(path, columns, library);
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  get lines(): number {
    return this.#lines;
  }

  /** Rejects with OUTPUT_UNWRITABLE. */
  async append(line: JsonObject): Promise<void> {
    this.#rows.push(line);
    this.#lines += 1;
    this.#characters += sizeOf(line);
    if (this.#rows.length >= GROUP_ROWS || this.#characters >= GROUP_CHARACTERS) await this.#flush();
  }

  /** Writes what is left and the file's end. Rejects with OUTPUT_UNWRITABLE. */
  async close(): Promise<void> {
    await this.#flush();
    try {
      await this.#writer.finish();
    } catch (error) {
      throw unwritable(this.path, error);
    }
  }

  async #flush(): Promise<void> {
    if (this.#rows.length === 0) return;
    const rows = this.#rows;
    this.#rows = [];
    this.#characters = 0;
    const columnData = Object.entries(this.#columns).map(([name, type]) => ({
      name,
      data: rows.map((row) => inColumn(row[name] ?? null, type)),
    }));
    try {
      await this.#writer.write({ columnData, rowGroupSize: rows.length });
    } catch (error) {
      throw unwritable(this.path, error);
    }
  }
}

function schemaOf(name: string, type: ColumnType): SchemaElement[] {
  if (typeof type === "string") return [leafOf(name, type)];
  if ("list" in type) {
    return [
      { name, repetition_type: "OPTIONAL", converted_type: "LIST", num_children: 1 },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      ...schemaOf("element", type.list),
    ];
  }
  const children = Object.entries(type.struct);
  return [
    { name, repetition_type: "OPTIONAL", num_children: children.length },
    ...children.flatMap(([child, childType]) => schemaOf(child, childType)),
  ];
}

function leafOf(name: string, type: Extract<ColumnType, string>): SchemaElement {
  const repetition_type = "OPTIONAL";
  switch (type) {
    case "string":
    case "json":
      return { name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type };
    case "double":
      return { name, type: "DOUBLE", repetition_type };
    case "int32":
      return { name, type: "INT32", repetition_type };
    case "int64":
      return { name, type: "INT64", repetition_type };
    case "boolean":
      return { name, type: "BOOLEAN", repetition_type };
    default:
      return type satisfies never;
  }
}

/** A value as the column holds it. What doesn't fit into a typed column becomes its JSON text, or null. */
function inColumn(value: JsonValue, type: ColumnType): unknown {
  if (value === null) return null;
  if (typeof type !== "string") {
    if ("list" in type) return Array.isArray(value) ? value.map((item) => inColumn(item, type.list)) : null;
    if (typeof value !== "object" || Array.isArray(value)) return null;
    return Object.fromEntries(
      Object.entries(type.struct).map(([name, child]) => [name, inColumn(value[name] ?? null, child)]),
    );
  }
  if (type === "json") return JSON.stringify(value);
  if (type === "string") return typeof value === "string" ? value : JSON.stringify(value);
  if (type === "boolean") return typeof value === "boolean" ? value : null;
  if (typeof value !== "number") return null;
  if (type === "int64") return BigInt(Math.trunc(value));
  return type === "int32" ? Math.trunc(value) : value;
}

/** About the characters of its JSON; exact is not worth making it. */
function sizeOf(value: JsonValue): number {
  if (typeof value === "string") return value.length;
  if (Array.isArray(value)) {
    return typeof value[0] === "number"
      ? value.length * 6
      : value.reduce((sum: number, item) => sum + sizeOf(item), 0);
  }
  if (typeof value !== "object" || value === null) return 4;
  return Object.values(value).reduce((sum: number, item) => sum + sizeOf(item), 0);
}
