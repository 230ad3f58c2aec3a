/** Applies a parsed patch to files in memory: what comes out is all of the changes, or the first thing that is wrong. */
import { placeHunks } from "./apply-hunks.ts";
import type { FileChange, FileText } from "./sandbox-files.ts";
import { applyEdits, unifiedDiff } from "./unified-diff.ts";
import type { PatchOperation } from "./v4a-patch.ts";

export type AppliedPatch =
  | {
      ok: true;
      changes: FileChange[];
      diff: string;
      modified: string[];
      created: string[];
      deleted: string[];
    }
  | { ok: false; error: string };

export type PatchFiles = {
  absolute(path: string): string;
  /** Reads a file by its absolute path; the other is for messages. */
  read(path: string, shownPath: string): Promise<FileText>;
};

class PatchConflict extends Error {}

/** Rejects as `read` does. */
export async function applyPatch(
  operations: readonly PatchOperation[],
  files: PatchFiles,
): Promise<AppliedPatch> {
  const patched = new PatchedFiles(files);
  try {
    for (const operation of operations) await patched.apply(operation);
  } catch (error) {
    if (error instanceof PatchConflict) return { ok: false, error: error.message };
    throw error;
  }
  return patched.result();
}

/** A file as it was, and as it is to be; null = not there. */
type Patched = { shownPath: string; before: string | null; now: string | null };

class PatchedFiles {
  readonly #files: PatchFiles;
  readonly #patched = new Map<string, Patched>();
  readonly #diffs: string[] = [];

  constructor(files: PatchFiles) {
    this.#files = files;
  }

  async apply(operation: PatchOperation): Promise<void> {
    const { path } = operation;
    const file = await this.#open(path);
    switch (operation.kind) {
      case "add": {
        if (file.now !== null)
          throw new PatchConflict(`${path} exists: use *** Update File, or delete it first.`);
        file.now = operation.text;
        const edits = [{ start: 0, end: 0, text: operation.text }];
        this.#diffs.push(unifiedDiff("", edits, { before: null, after: path }));
        return;
      }
      case "delete": {
        const text = existing(file);
        file.now = null;
        const edits = [{ start: 0, end: text.length, text: "" }];
        this.#diffs.push(unifiedDiff(text, edits, { before: path, after: null }));
        return;
      }
      case "move":
        await this.#move(file, operation.to, existing(file));
        return;
      case "update": {
        const text = existing(file);
        const placed = placeHunks(text, operation.hunks);
        if (!placed.ok) throw new PatchConflict(`${path}: ${placed.error}`);
        const updated = applyEdits(text, placed.edits);
        const after = operation.to ?? path;
        this.#diffs.push(unifiedDiff(text, placed.edits, { before: path, after }));
        if (operation.to === null) file.now = updated;
        else await this.#move(file, operation.to, updated);
        return;
      }
      default:
        operation satisfies never;
    }
  }

  result(): AppliedPatch {
    const changed = [...this.#patched].filter(([, { before, now }]) => before !== now);
    const shown = (wanted: (file: Patched) => boolean) =>
      changed.flatMap(([, file]) => (wanted(file) ? [file.shownPath] : []));
    if (changed.length === 0)
      return { ok: false, error: "The patch changes nothing: the files are as it wants them." };
    return {
      ok: true,
      changes: changed.map(([path, { now }]) => ({ path, text: now })),
      diff: this.#diffs.join(""),
      modified: shown(({ before, now }) => before !== null && now !== null),
      created: shown(({ before }) => before === null),
      deleted: shown(({ now }) => now === null),
    };
  }

  async #move(file: Patched, to: string, text: string): Promise<void> {
    const target = await this.#open(to);
    if (target === file) throw new PatchConflict(`${to} can't be moved to itself.`);
    if (target.now !== null) throw new PatchConflict(`${to} exists: nothing can be moved there.`);
    file.now = null;
    target.now = text;
    this.#diffs.push(`rename from ${file.shownPath}\nrename to ${to}\n`);
  }

  async #open(shownPath: string): Promise<Patched> {
    if (shownPath.includes("\0")) throw new PatchConflict("A path can't hold NUL characters.");
    const path = this.#files.absolute(shownPath);
    const known = this.#patched.get(path);
    if (known !== undefined) return known;
    const read = await this.#files.read(path, shownPath);
    if (!read.ok) throw new PatchConflict(read.error);
    const file = { shownPath, before: read.text, now: read.text };
    this.#patched.set(path, file);
    return file;
  }
}

function existing({ shownPath, now }: Patched): string {
  if (now === null) throw new PatchConflict(`There is no file ${shownPath}.`);
  return now;
}
