/** What a format of `--format` is: lines for each group, and their columns where they become Parquet. */
import type { JsonObject, JsonValue } from "../../contracts/chat.ts";
import { LachesisError } from "../../contracts/errors.ts";
import type { Sample, SampledGroup } from "../group-samples.ts";
import type { SavedMessage } from "../saved-group.ts";

/** "json" is a column of JSON text, for what has no one shape. */
export type ColumnType =
  | "string"
  | "double"
  | "int32"
  | "int64"
  | "boolean"
  | "json"
  | { list: ColumnType }
  | { struct: Readonly<Record<string, ColumnType>> };

export type Columns = Readonly<Record<string, ColumnType>>;

export type FormatOptions = {
  /** Pairs per group (dpo). */
  pairs: number;
  /** How much better the better one of a pair must be (dpo). */
  minGap: number;
  seed: number;
  /** Stands for a group's own time where it has none, ISO 8601. */
  now: string;
  /** Stands for a group's own model where it names none. */
  model: string;
};

export interface ExportFormat {
  readonly name: string;
  /** One line for `--help`. */
  readonly description: string;
  readonly columns: Columns;
  /** Lines in the samples' order. Throws EXPORT_IMPOSSIBLE where the group lacks what the format is made of. */
  lines(group: SampledGroup, options: FormatOptions): JsonObject[];
}

/** A sample's conversation. Throws EXPORT_IMPOSSIBLE where it has none. */
export function requireMessages(
  { messages, index }: Sample,
  { where }: SampledGroup,
): readonly SavedMessage[] {
  if (messages !== null) return messages;
  throw new LachesisError("EXPORT_IMPOSSIBLE", `${where}: sample ${index} has no messages to be exported.`, {
    hint: "Play with --env.include_messages true (the default of process), or choose the formats atropos and sft.",
  });
}

/** A message as plain JSON; what is no JSON (undefined) is left out. */
export function asJson(value: unknown): JsonValue {
  const text = JSON.stringify(value);
  return text === undefined ? null : JSON.parse(text);
}

export const messageColumn: ColumnType = {
  struct: {
    role: "string",
    content: "string",
    reasoning_content: "string",
    tool_calls: {
      list: {
        struct: {
          id: "string",
          type: "string",
          function: { struct: { name: "string", arguments: "string" } },
        },
      },
    },
    tool_call_id: "string",
  },
};

/** Columns of `sampleFacts`, for formats that have them at the top of the line. */
export const factColumns: Columns = {
  reward: "double",
  group_id: "string",
  env: "string",
  item: "json",
  item_digest: "string",
  rollout_id: "string",
  seed: "int64",
  stop: "string",
  turns: "int32",
  tool_errors: "int32",
  group_size: "int32",
  sampling: "json",
};
