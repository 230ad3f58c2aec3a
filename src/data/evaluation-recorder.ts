/**
 * Writes an evaluation as it goes on, so that a crash costs no finished sample: evaluation.json and items.jsonl before
 * the first sample, a line in samples.jsonl as each one finishes.
 *
 * A line is one write to the end of the file. A killed process loses none that were written; at worst the last is torn,
 * which shows (it lacks its line break), and resuming cuts it off. The disk is told to keep what it got after each
 * line, one sync at a time and nobody waiting for it: a power cut costs the samples of a moment.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import { replaceFile } from "./evaluation-files.ts";
import {
  type EvaluationHeader,
  type EvaluationItem,
  readEvaluation,
  type SavedEvaluation,
  sampleKey,
  sampleRecord,
} from "./evaluation-records.ts";
import { unwritable } from "./jsonl-file.ts";
import { makeDirectory } from "./make-directory.ts";
import { lockRun } from "./run-lock.ts";
import { cutTornLine } from "./torn-line.ts";

/** What an environment's evaluation says of itself. */
export type BegunEvaluation = Pick<
  EvaluationHeader,
  "samples_per_item" | "pass_k" | "correct_from" | "generation_parameters" | "selection" | "rescored"
>;

export type RecordedEvaluation = Pick<EvaluationHeader, "environment" | "model" | "config">;

export class EvaluationRecorder implements AsyncDisposable {
  readonly directory: string;
  readonly #origin: RecordedEvaluation;
  readonly #resume: boolean;
  readonly #begunIds = new Set<string>();
  #items = new Map<string, EvaluationItem>();
  #saved: SavedEvaluation | null = null;
  #lock: Disposable | undefined;
  #samples: FileHandle | undefined;
  #length = 0;
  #tail: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;

  /** Touches nothing before an evaluation begins. `resume`: go on from what the directory has. */
  constructor(options: RecordedEvaluation & { directory: string; resume: boolean }) {
    const { directory, resume, ...origin } = options;
    this.directory = directory;
    this.#origin = origin;
    this.#resume = resume;
  }

  /**
   * Takes the items that will be played and gives the samples that need not be played again, by `sampleKey`: those
   * that have a score. An evaluation in parts begins several times, each with a `scope` that its item ids start with.
   * Rejects with RUN_LOCKED, EVALUATION_FILE_INVALID, OUTPUT_UNWRITABLE, and with EVALUATION_DIFFERS where resumed
   * items are others.
   */
  async begin(
    header: BegunEvaluation,
    items: readonly EvaluationItem[],
    { scope = "" }: { scope?: string | undefined } = {},
  ): Promise<ReadonlyMap<string, JsonObject>> {
    await this.#open();
    if (this.#saved !== null) requireSameItems(this.#saved, items, scope);
    for (const item of items) {
      if (this.#begunIds.has(item.item_id)) throw notScoped(item.item_id);
      this.#begunIds.add(item.item_id);
      this.#items.set(item.item_id, item);
    }
    const lines = [...this.#items.values()].map((item) => `${JSON.stringify(item)}\n`).join("");
    await replaceFile(join(this.directory, "items.jsonl"), lines);
    const full: EvaluationHeader = { format: 1, ...this.#origin, ...header };
    await replaceFile(join(this.directory, "evaluation.json"), `${JSON.stringify(full, null, 2)}\n`);
    const ids = new Set(items.map(({ item_id }) => item_id));
    const kept = (this.#saved?.samples ?? []).flatMap((sample): [string, JsonObject][] => {
      const record = sampleRecord.parse(sample);
      const isOwed = record.outcome !== "scored" || record.sample >= full.samples_per_item;
      return isOwed || !ids.has(record.item_id) ? [] : [[sampleKey(record), sample]];
    });
    return new Map(kept);
  }

  /** Resolves once the sample is in the file. Rejects with OUTPUT_UNWRITABLE. */
  add(sample: JsonObject): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(sample)}\n`);
    const written = this.#tail.then(() => this.#append(line));
    this.#tail = written.catch(() => undefined);
    return written;
  }

  /** Waits for the disk and closes the file. Idempotent. */
  async close(): Promise<void> {
    await this.#tail;
    await this.#syncing;
    const file = this.#samples;
    this.#samples = undefined;
    await file?.close();
    this.#lock?.[Symbol.dispose]();
    this.#lock = undefined;
  }

  /** Whether anything is there to go on from, once an evaluation has begun. */
  get hasSamples(): boolean {
    return this.#length > 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The first time: what is no longer true goes, before anything new is written. */
  async #open(): Promise<void> {
    if (this.#samples !== undefined) return;
    const path = join(this.directory, "samples.jsonl");
    try {
      await makeDirectory(this.directory);
      this.#lock = lockRun(this.directory);
      this.#saved = this.#resume ? await readEvaluation(this.directory) : null;
      this.#items = new Map(this.#saved?.items.map((item) => [item.item_id, item]));
      await rm(join(this.directory, "metrics.json"), { force: true });
      if (this.#saved === null) {
        await rm(join(this.directory, "evaluation.json"), { force: true });
        await rm(path, { force: true });
      }
      await cutTornLine(path);
      this.#samples = await open(path, "a");
      this.#length = (await this.#samples.stat()).size;
    } catch (error) {
      throw error instanceof LachesisError ? error : unwritable(path, error);
    }
  }

  async #append(line: Buffer): Promise<void> {
    const file = this.#samples;
    const path = join(this.directory, "samples.jsonl");
    if (file === undefined)
      throw new LachesisError("INTERNAL", `${path}: a sample came before its evaluation began`);
    try {
      for (let offset = 0; offset < line.length; ) offset += (await file.write(line, offset)).bytesWritten;
    } catch (error) {
      await file.truncate(this.#length).catch(() => undefined);
      throw unwritable(path, error);
    }
    this.#length += line.length;
    this.#syncing ??= file
      .datasync()
      // A file system that can't sync has taken the line all the same.
      .catch(() => undefined)
      .finally(() => {
        this.#syncing = undefined;
      });
  }
}

function requireSameItems(saved: SavedEvaluation, items: readonly EvaluationItem[], scope: string): void {
  const before = new Map(
    saved.items.filter(({ item_id }) => item_id.startsWith(scope)).map((item) => [item.item_id, item.digest]),
  );
  // A part that had not begun.
  if (scope !== "" && before.size === 0) return;
  const changed = items.filter(
    ({ item_id, digest }) => before.has(item_id) && before.get(item_id) !== digest,
  );
  const added = items.filter(({ item_id }) => !before.has(item_id));
  const now = new Set(items.map(({ item_id }) => item_id));
  const missing = [...before.keys()].filter((id) => !now.has(id));
  const problems = [
    { what: "changed", ids: changed.map(({ item_id }) => item_id) },
    { what: "are new", ids: added.map(({ item_id }) => item_id) },
    { what: "are gone", ids: missing },
  ].flatMap(({ what, ids }) =>
    ids.length === 0 ? [] : [`${ids.length} ${what} (${ids.slice(0, 3).join(", ")})`],
  );
  if (problems.length === 0) return;
  throw new LachesisError(
    "EVALUATION_DIFFERS",
    `${saved.directory} was begun with other items: ${problems.join("; ")}.`,
    { hint: "Resume with the same dataset and selection, or start an evaluation of its own." },
  );
}

function notScoped(id: string): LachesisError {
  return new LachesisError("ENV_FAILED", `The evaluation has two items with the id "${id}".`, {
    hint: "Who calls evaluateItems several times gives each call a `scope` of its own.",
  });
}
