/**
 * Writes an evaluation as it goes on, so that a crash costs no finished sample: evaluation.json and items.jsonl before
 * the first sample, a line in samples.jsonl as each one finishes.
 *
 * A line is one write to the end of the file. A killed process loses none that were written; at worst the last is torn,
 * which shows (it lacks its line break), and resuming cuts it off. The disk is told to keep what it got after each
 * line, one sync at a time and nobody waiting for it: a power cut costs the samples of a moment.
 */
import { type FileHandle, open, readFile, rm, truncate } from "node:fs/promises";
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
  wholeLinesLength,
} from "./evaluation-records.ts";
import { unwritable } from "./jsonl-file.ts";

/** What an environment's evaluation says of itself. */
export type BegunEvaluation = Pick<
  EvaluationHeader,
  "samples_per_item" | "pass_k" | "correct_from" | "generation_parameters" | "selection" | "rescored"
>;

export class EvaluationRecorder implements AsyncDisposable {
  readonly directory: string;
  readonly #origin: Pick<EvaluationHeader, "environment" | "model" | "config">;
  readonly #saved: SavedEvaluation | null;
  readonly #items: EvaluationItem[] = [];
  #samples: FileHandle | undefined;
  #length = 0;
  #tail: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;

  private constructor(
    directory: string,
    origin: Pick<EvaluationHeader, "environment" | "model" | "config">,
    saved: SavedEvaluation | null,
  ) {
    this.directory = directory;
    this.#origin = origin;
    this.#saved = saved;
  }

  /** `resume`: goes on from what the directory has. Rejects with EVALUATION_FILE_INVALID. Writes nothing yet. */
  static async open(options: {
    directory: string;
    environment: string;
    model: string;
    config: JsonObject | null;
    resume: boolean;
  }): Promise<EvaluationRecorder> {
    const { directory, resume, ...origin } = options;
    return new EvaluationRecorder(directory, origin, resume ? await readEvaluation(directory) : null);
  }

  /** True once an evaluation goes through here. */
  get begun(): boolean {
    return this.#samples !== undefined;
  }

  /**
   * Takes the items that will be played and gives the samples that need not be played again, by `sampleKey`: those
   * that have a score. A part of an evaluation begins with a `scope` that all its item ids start with. Rejects with
   * EVALUATION_DIFFERS where resumed items are others, and with OUTPUT_UNWRITABLE.
   */
  async begin(
    header: BegunEvaluation,
    items: readonly EvaluationItem[],
    { scope = "" }: { scope?: string | undefined } = {},
  ): Promise<ReadonlyMap<string, JsonObject>> {
    const saved = this.#saved;
    if (saved !== null) requireSameItems(saved, items, scope);
    this.#items.push(...items);
    const path = (name: string) => join(this.directory, name);
    await rm(path("metrics.json"), { force: true });
    const lines = this.#items.map((item) => `${JSON.stringify(item)}\n`).join("");
    const full: EvaluationHeader = { format: 1, ...this.#origin, ...header };
    await replaceFile(path("items.jsonl"), lines);
    await this.#openSamples(path("samples.jsonl"));
    await replaceFile(path("evaluation.json"), `${JSON.stringify(full, null, 2)}\n`);
    const ids = new Set(items.map(({ item_id }) => item_id));
    const kept = (saved?.samples ?? []).flatMap((sample): [string, JsonObject][] => {
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
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #openSamples(path: string): Promise<void> {
    if (this.#samples !== undefined) return;
    try {
      if (this.#saved === null) await rm(path, { force: true });
      else {
        const content = await readFile(path).catch(ignoreMissing);
        if (content !== undefined) await truncate(path, wholeLinesLength(content));
      }
      this.#samples = await open(path, "a");
      this.#length = (await this.#samples.stat()).size;
    } catch (error) {
      throw unwritable(path, error);
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

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
}
