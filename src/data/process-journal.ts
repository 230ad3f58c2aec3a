/**
 * The files of one run of `process`. The journal has every group that was played, each in one line that is written
 * whole; everything else is made of it: what filters leave, other formats, and after a crash what is still owed.
 * Where nothing else is asked for, the journal is the group file itself.
 */
import { rm } from "node:fs/promises";
import { join, parse, resolve } from "node:path";
import type { GroupProvenance } from "../contracts/group-provenance.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import type { FormatOptions } from "./export/export-format.ts";
import { type ExportFile, type ExportReport, exportGroups } from "./export/export-groups.ts";
import { type ExportTarget, isData, parseFormats, targetName } from "./export/formats.ts";
import { filtersNothing, GroupFilter } from "./group-filter.ts";
import { readGroupLines } from "./group-lines.ts";
import type { SampledGroup } from "./group-samples.ts";
import { JsonlFile } from "./jsonl-file.ts";
import { type ProcessRecord, readSettledItems, saveProcessRecord, settledPath } from "./process-record.ts";
import { savedGroup } from "./saved-group.ts";
import { cutTornLine } from "./torn-line.ts";

export type JournalLine = ScoredGroup & { provenance: GroupProvenance };

export type JournalOptions = {
  runDirectory: string;
  record: ProcessRecord;
  /** Where the groups are wanted (`env.data_path_to_save_groups`). */
  path: string;
  model: string;
  signal: AbortSignal;
};

export class ProcessJournal implements AsyncDisposable {
  readonly #journal: JsonlFile;
  readonly #settled: JsonlFile;
  readonly #files: readonly ExportFile[];
  readonly #record: ProcessRecord;
  readonly #format: FormatOptions;
  readonly #filter: GroupFilter;
  /** Items with a line, by their digest; null = settled without one. */
  readonly #items = new Map<number, string | null>();
  #kept = 0;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(
    parts: { journal: JsonlFile; settled: JsonlFile; files: readonly ExportFile[] },
    { record, model }: JournalOptions,
  ) {
    this.#journal = parts.journal;
    this.#settled = parts.settled;
    this.#files = parts.files;
    this.#record = record;
    this.#filter = new GroupFilter(record.rules);
    const { pairs, minGap } = record;
    this.#format = { pairs, minGap, seed: 0, now: new Date().toISOString(), model };
  }

  /**
   * Makes the files, or goes on with those that the record names. Rejects with OUTPUT_UNWRITABLE, and when it goes
   * on with GROUP_FILE_INVALID, EXPORT_IMPOSSIBLE, RESUME_REFUSED or the signal's reason.
   */
  static async open(options: JournalOptions): Promise<ProcessJournal> {
    const { record, runDirectory, signal } = options;
    if (record.outputs === null) return ProcessJournal.#begin(options);
    const { journal: path, exports } = record.outputs;
    await cutTornLine(path);
    await cutTornLine(settledPath(runDirectory));
    const settledItems = await readSettledItems(runDirectory);
    const files = exports.flatMap((each) =>
      parseFormats(each.target).map((target) => ({ ...target, path: each.path })),
    );
    const opened = new ProcessJournal(
      {
        journal: await JsonlFile.extend(path, { lines: 0 }),
        settled: await JsonlFile.extend(settledPath(runDirectory), { lines: settledItems.size }),
        files,
      },
      options,
    );
    for (const number of settledItems) opened.#items.set(number, null);
    try {
      for await (const { file, line, group } of readGroupLines(path, { signal })) {
        const { provenance } = group;
        if (provenance !== undefined) opened.#items.set(provenance.item_number, provenance.item_digest);
        const sampled = opened.#filter.apply(group, `${file}:${line}`);
        if (sampled === null) continue;
        if (opened.#kept === 0) opened.#requireFormats(sampled);
        opened.#kept += 1;
      }
    } catch (error) {
      await opened.close();
      throw error;
    }
    return opened;
  }

  static async #begin(options: JournalOptions): Promise<ProcessJournal> {
    const { record, runDirectory, path } = options;
    const targets = parseFormats(record.formats);
    const groupsAlone = targets.find((target) => targetName(target) === "atropos.jsonl");
    const isJournal = groupsAlone !== undefined && filtersNothing(record.rules);
    const exported = isJournal ? targets.filter((target) => target !== groupsAlone) : targets;
    for (let number = 0; ; number++) {
      const reserved = await reserve([
        ...(isJournal ? [numbered(path, number)] : []),
        ...exported.map((target) => exportPath(path, number, target)),
      ]);
      if (reserved === null) continue;
      const [first] = reserved;
      const journal =
        isJournal && first !== undefined
          ? first
          : await JsonlFile.overwrite(join(runDirectory, "groups.jsonl"));
      for (const file of reserved) if (file !== journal) await file.close();
      const files = exported.map((target) => ({ ...target, path: exportPath(path, number, target) }));
      const settled = await JsonlFile.overwrite(settledPath(runDirectory));
      const outputs = {
        // Whole paths: the run may go on from another directory.
        journal: resolve(journal.path),
        exports: files.map((file) => ({ target: targetName(file), path: resolve(file.path) })),
      };
      await saveProcessRecord(runDirectory, { ...record, outputs });
      return new ProcessJournal({ journal, settled, files }, options);
    }
  }

  /** Where every group that was played stands. */
  get path(): string {
    return this.#journal.path;
  }

  /** Groups of which the filters left something, earlier runs' included. */
  get kept(): number {
    return this.#kept;
  }

  get filter(): Pick<GroupFilter, "leftOut" | "samples"> {
    return this.#filter;
  }

  /** The digest of an item that has a line, null for one that was settled without, undefined for one that is owed. */
  settled(itemNumber: number): string | null | undefined {
    return this.#items.get(itemNumber);
  }

  /**
   * Resolves once the group is in the journal: true when the filters left something of it. Rejects with
   * OUTPUT_UNWRITABLE, or EXPORT_IMPOSSIBLE where a format can't be made of it.
   */
  add(line: JournalLine): Promise<boolean> {
    const added = this.#tail.then(() => this.#add(line));
    this.#tail = added.catch(() => undefined);
    return added;
  }

  async #add(line: JournalLine): Promise<boolean> {
    await this.#journal.append(line);
    const { item_number: number, item_digest: digest, group_id: id } = line.provenance;
    this.#items.set(number, digest);
    const sampled = this.#filter.apply(savedGroup.parse(line), `group ${id}`);
    if (sampled === null) return false;
    // A format that can't be had shows at the first group, not when all have been played.
    if (this.#kept === 0) this.#requireFormats(sampled);
    this.#kept += 1;
    return true;
  }

  #requireFormats(sampled: SampledGroup): void {
    for (const { format } of this.#files.filter(isData)) format.lines(sampled, this.#format);
  }

  /** Notes an item that was played and came to nothing. Rejects with OUTPUT_UNWRITABLE. */
  async skip(itemNumber: number, reason: string): Promise<void> {
    if (this.#items.has(itemNumber)) return;
    this.#items.set(itemNumber, null);
    await this.#settled.append({ item_number: itemNumber, reason });
  }

  /** Makes the other files of what the journal has; null where none is wanted. Rejects as `exportGroups` does. */
  async export(signal: AbortSignal): Promise<ExportReport | null> {
    if (this.#files.length === 0) return null;
    return exportGroups({
      ...this.#format,
      sources: [this.path],
      files: this.#files,
      rules: this.#record.rules,
      signal,
    });
  }

  /** Waits for the disk. Rejects with OUTPUT_UNWRITABLE. Idempotent. */
  async close(): Promise<void> {
    await this.#tail;
    await this.#settled.close();
    await this.#journal.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Empty files of all these names, or null and none of them where one exists. */
async function reserve(paths: readonly string[]): Promise<JsonlFile[] | null> {
  const made: JsonlFile[] = [];
  const giveUp = async () => {
    for (const file of made) {
      await file.close();
      await rm(file.path, { force: true });
    }
  };
  try {
    for (const path of paths) {
      const file = await JsonlFile.create(path);
      if (file === null) {
        await giveUp();
        return null;
      }
      made.push(file);
    }
  } catch (error) {
    await giveUp();
    throw error;
  }
  return made;
}

/** `groups.jsonl`, `groups_1.jsonl`, `groups_2.jsonl`, … */
function numbered(path: string, number: number): string {
  const { dir, name, ext } = parse(path);
  return number === 0 ? path : join(dir, `${name}_${number}${ext}`);
}

/** `groups.jsonl` for groups, `groups.openai.jsonl` for what is made of them. */
export function exportPath(path: string, number: number, target: ExportTarget): string {
  const { dir, name, ext } = parse(numbered(path, number));
  if (targetName(target) === "atropos.jsonl") return join(dir, `${name}${ext}`);
  return join(dir, `${name}.${targetName(target)}`);
}
