/** The flags that say what data is made of groups: formats, filters, where to. `process` and `convert` share them. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { LachesisError } from "../contracts/errors.ts";
import { exportFormats, isData, pageDescription, parseFormats } from "../data/export/formats.ts";
import { type FilterRules, filtersNothing } from "../data/group-filter.ts";
import type { ProcessRecord } from "../data/process-record.ts";
import { parseCount } from "./flag-units.ts";
import { counted } from "./progress-lines.ts";

export type DataFlags = {
  format?: string;
  minScore?: number;
  best?: number;
  distinct?: "answer" | "conversation";
  maxPerItem?: number;
  wellFormed?: boolean;
  pairs?: number;
  minGap?: number;
  pushToHub?: string;
  public?: boolean;
};

/** What the flags come to. */
export type DataRequest = Pick<
  ProcessRecord,
  "formats" | "rules" | "pairs" | "minGap" | "pushTo" | "isPublic"
>;

/** `formats`: what is written where `--format` is not given. */
export function addDataOptions(command: Command, { formats: usual }: { formats: string }): Command {
  const formats = [...exportFormats, { name: "html", description: pageDescription }]
    .map(({ name, description }) => `${name}: ${description}`)
    .join("; ");
  return command
    .option("--format <list>", `what to write, e.g. openai,sft.parquet (default: ${usual}) - ${formats}`)
    .option("--min-score <score>", "leave out samples that score less", parseNumber)
    .option("--best <count>", "keep the best so many samples of each group", parseCount)
    .addOption(
      new Option("--distinct <by>", "of samples of a group that agree in it, keep the best").choices([
        "answer",
        "conversation",
      ]),
    )
    .option(
      "--max-per-item <count>",
      "keep at most so many samples of an item, over all its groups",
      parseCount,
    )
    .option("--well-formed", "leave out samples that were cut off, broke a call, or gave no answer")
    .option("--pairs <count>", "dpo: pairs of each group (default: 1)", parseCount)
    .option("--min-gap <score>", "dpo: the better one scores higher by more than this (default: 0)", parseGap)
    .option("--push-to-hub <owner/name>", "upload the files to this dataset (HF_TOKEN); private if it is new")
    .option("--public", "with --push-to-hub: a new dataset is public");
}

/** Throws USAGE_INVALID. `formats`: as for `addDataOptions`. */
export function dataRequest(flags: DataFlags, { formats: usual }: { formats: string }): DataRequest {
  const formats = flags.format ?? usual;
  const targets = parseFormats(formats);
  if (flags.pushToHub !== undefined && !targets.some(isData)) {
    throw new LachesisError("USAGE_INVALID", "--push-to-hub: there is nothing to push but a page.", {
      hint: "Name a format of data, e.g. --format openai,html; the page itself is never pushed.",
    });
  }
  if (flags.public === true && flags.pushToHub === undefined) {
    throw new LachesisError("USAGE_INVALID", "--public: says how to push, but --push-to-hub is not given.");
  }
  return {
    formats,
    rules: {
      minScore: flags.minScore ?? null,
      best: flags.best ?? null,
      distinct: flags.distinct ?? null,
      maxPerItem: flags.maxPerItem ?? null,
      wellFormed: flags.wellFormed ?? false,
    },
    pairs: flags.pairs ?? 1,
    minGap: flags.minGap ?? 0,
    pushTo: flags.pushToHub ?? null,
    isPublic: flags.public ?? false,
  };
}

/** True where one of these flags was given. */
export const hasDataFlags = (flags: DataFlags): boolean =>
  [
    flags.format,
    flags.minScore,
    flags.best,
    flags.distinct,
    flags.maxPerItem,
    flags.wellFormed,
    flags.pairs,
    flags.minGap,
    flags.pushToHub,
    flags.public,
  ].some((flag) => flag !== undefined);

/** What filters did, in a line; null where there were none. */
export function filterText(
  rules: FilterRules,
  { samples, leftOut }: { samples: { seen: number; kept: number }; leftOut: ReadonlyMap<string, number> },
): string | null {
  if (filtersNothing(rules)) return null;
  const reasons = [...leftOut].sort((a, b) => b[1] - a[1]).map(([reason, count]) => `${reason} x${count}`);
  const because = reasons.length === 0 ? "" : `; left out: ${reasons.join(", ")}`;
  return `${samples.kept} of ${counted(samples.seen, "sample")} kept${because}`;
}

function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) throw new InvalidArgumentError("Expected a number.");
  return number;
}

/** Both of a pair scoring the same, or the wrong way round, would make no preference. */
function parseGap(text: string): number {
  const gap = parseNumber(text);
  if (gap < 0) throw new InvalidArgumentError("Expected a number from 0 on.");
  return gap;
}
