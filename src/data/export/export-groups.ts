/**
 * Makes files of other formats out of a group file, in one pass over it. Each file appears whole or not at all:
 * it grows beside its name and takes it at the end. So exports can be made again at any time, and a crash in the
 * middle leaves nothing that looks whole.
 */
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { type FilterReason, type FilterRules, GroupFilter } from "../group-filter.ts";
import { readGroupLines } from "../group-lines.ts";
import type { SampledGroup } from "../group-samples.ts";
import { JsonlFile, unwritable } from "../jsonl-file.ts";
import { makeDirectory } from "../make-directory.ts";
import type { FormatOptions } from "./export-format.ts";
import type { DataTarget, ExportTarget } from "./formats.ts";
import { HtmlFile } from "./html-file.ts";
import { groupHtml } from "./html-group.ts";
import { ParquetFile } from "./parquet-file.ts";

export type ExportFile = ExportTarget & { path: string };

export type ExportOptions = FormatOptions & {
  /** Group files, read in this order. */
  sources: readonly string[];
  files: readonly ExportFile[];
  rules: FilterRules;
  signal: AbortSignal;
};

export type ExportReport = {
  /** Groups read, and those of which something was left. */
  groups: { read: number; kept: number };
  samples: { seen: number; kept: number };
  leftOut: ReadonlyMap<FilterReason, number>;
  /** Lines, or groups of a page. */
  files: (ExportFile & { lines: number })[];
};

type Sink = {
  readonly lines: number;
  add(sampled: SampledGroup): Promise<void>;
  close(): Promise<void>;
};

/**
 * Rejects with GROUP_FILE_INVALID, EXPORT_IMPOSSIBLE, DATASET_NOT_FOUND, OUTPUT_UNWRITABLE or the signal's reason;
 * then files of these names are as they were.
 */
export async function exportGroups({
  sources,
  files,
  rules,
  signal,
  ...format
}: ExportOptions): Promise<ExportReport> {
  const filter = new GroupFilter(rules);
  const groups = { read: 0, kept: 0 };
  const sinks: (ExportFile & { sink: Sink })[] = [];
  try {
    for (const file of files) sinks.push({ ...file, sink: await openSink(file, format) });
    for (const source of sources) {
      for await (const { file, line, group } of readGroupLines(source, { signal })) {
        groups.read += 1;
        const sampled = filter.apply(group, `${file}:${line}`);
        if (sampled === null) continue;
        groups.kept += 1;
        for (const { sink } of sinks) await sink.add(sampled);
      }
    }
    for (const { sink } of sinks) await sink.close();
    for (const { path } of sinks) await takeName(path);
  } catch (error) {
    for (const { sink, path } of sinks) {
      await sink.close().catch(() => undefined);
      await rm(partOf(path), { force: true }).catch(() => undefined);
    }
    throw error;
  }
  return {
    groups,
    samples: filter.samples,
    leftOut: filter.leftOut,
    files: sinks.map(({ sink, ...file }) => ({ ...file, lines: sink.lines })),
  };
}

const partOf = (path: string): string => `${path}.part`;

async function openSink(file: ExportFile, options: FormatOptions): Promise<Sink> {
  const part = partOf(file.path);
  if (file.container !== "html") return dataSink(await openDataFile(file, part), file, options);
  const page = await HtmlFile.create(part, { title: basename(file.path, ".html") });
  return {
    get lines() {
      return page.lines;
    },
    async add(sampled) {
      const scores = sampled.samples.map(({ score }) => score);
      page.add({ scores, html: (number) => groupHtml(sampled, number) });
    },
    close: () => page.close(),
  };
}

async function openDataFile(
  { format, container, path }: DataTarget & { path: string },
  part: string,
): Promise<JsonlFile | ParquetFile> {
  if (container === "jsonl") return JsonlFile.overwrite(part);
  try {
    await makeDirectory(dirname(path));
  } catch (error) {
    throw unwritable(path, error);
  }
  return ParquetFile.create(part, format.columns);
}

function dataSink(file: JsonlFile | ParquetFile, { format }: DataTarget, options: FormatOptions): Sink {
  return {
    get lines() {
      return file.lines;
    },
    async add(sampled) {
      for (const line of format.lines(sampled, options)) await file.append(line);
    },
    close: () => file.close(),
  };
}

async function takeName(path: string): Promise<void> {
  try {
    {
      await using handle = await open(partOf(path), "r");
      await handle.sync();
    }
    await rename(partOf(path), path);
  } catch (error) {
    throw unwritable(path, error);
  }
}
