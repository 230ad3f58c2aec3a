/** Every format of `--format`, and how the flag is read: names, each with `.parquet` behind it where that is wanted. */
import { nearestName } from "../../contracts/closest-names.ts";
import { LachesisError } from "../../contracts/errors.ts";
import { atroposFormat } from "./atropos-format.ts";
import type { ExportFormat } from "./export-format.ts";
import { openaiFormat } from "./openai-format.ts";
import { dpoFormat, preferenceFormat } from "./preference-formats.ts";
import { sftFormat } from "./sft-format.ts";
import { sharegptFormat } from "./sharegpt-format.ts";

export const exportFormats: readonly ExportFormat[] = [
  atroposFormat,
  openaiFormat,
  sharegptFormat,
  dpoFormat,
  preferenceFormat,
  sftFormat,
];

export const containers = ["jsonl", "parquet"] as const;
export type Container = (typeof containers)[number];

export type ExportTarget = { format: ExportFormat; container: Container };

/** "openai,sft.parquet" as targets, each once. Throws USAGE_INVALID. */
export function parseFormats(text: string): ExportTarget[] {
  const targets = new Map<string, ExportTarget>();
  for (const part of text.split(",").map((each) => each.trim())) {
    const [, name = "", ending = "jsonl"] = /^(.*?)(?:\.(jsonl|parquet))?$/.exec(part) ?? [];
    const format = exportFormats.find((each) => each.name === name);
    const container = containers.find((each) => each === ending);
    if (format === undefined || container === undefined) {
      const names = exportFormats.map((each) => each.name);
      const near = nearestName(name, names);
      throw new LachesisError("USAGE_INVALID", `--format: there is no format "${part}".`, {
        hint: `${near ? `Did you mean ${near}? ` : ""}Formats: ${names.join(", ")}; .parquet behind one makes it Parquet.`,
      });
    }
    targets.set(targetName({ format, container }), { format, container });
  }
  return [...targets.values()];
}

/** How a target is written and how its file ends: `sft.parquet`. */
export const targetName = ({ format, container }: ExportTarget): string => `${format.name}.${container}`;
