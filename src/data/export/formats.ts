/**
 * Every format of `--format`, and how the flag is read: names, each with `.parquet` behind it where that is wanted.
 * `html` is no data but a page to be read by people.
 */
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

/** One line for `--help`. */
export const pageDescription = "a page to read the groups in a browser";

export type DataTarget = { format: ExportFormat; container: Container };
export type ExportTarget = DataTarget | { container: "html" };

/** "openai,sft.parquet" as targets, each once. Throws USAGE_INVALID. */
export function parseFormats(text: string): ExportTarget[] {
  const targets = new Map<string, ExportTarget>();
  for (const part of text.split(",").map((each) => each.trim())) {
    if (part === "html") {
      targets.set(part, { container: "html" });
      continue;
    }
    const [, name = "", ending = "jsonl"] = /^(.*?)(?:\.(jsonl|parquet))?$/.exec(part) ?? [];
    const format = exportFormats.find((each) => each.name === name);
    const container = containers.find((each) => each === ending);
    if (format === undefined || container === undefined) {
      const names = [...exportFormats.map((each) => each.name), "html"];
      const near = nearestName(name, names);
      throw new LachesisError("USAGE_INVALID", `--format: there is no format "${part}".`, {
        hint: `${near ? `Did you mean ${near}? ` : ""}Formats: ${names.join(", ")}; .parquet behind one of data makes it Parquet.`,
      });
    }
    targets.set(targetName({ format, container }), { format, container });
  }
  return [...targets.values()];
}

/** The page is for whoever made it; what goes to others is data. */
export const isData = <T extends ExportTarget>(target: T): target is T & DataTarget =>
  target.container !== "html";

/** How a target is written and how its file ends: `sft.parquet`, `html`. */
export const targetName = (target: ExportTarget): string =>
  target.container === "html" ? "html" : `${target.format.name}.${target.container}`;
