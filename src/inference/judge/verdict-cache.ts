/**
 * Verdicts on disk, one file each, named by the hash of everything that was asked. Files appear whole or not at all,
 * so that several runs may share a directory; one that can't be read is as good as none.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export class VerdictCache {
  readonly #directory: string;
  readonly #onProblem: (error: unknown) => void;

  /** `onProblem` is told of files that can't be written: the verdict itself is not lost by that. */
  constructor({ directory, onProblem }: { directory: string; onProblem: (error: unknown) => void }) {
    this.#directory = directory;
    this.#onProblem = onProblem;
  }

  /** The verdict that was kept for this; undefined where there is none. */
  async get(asked: unknown): Promise<unknown> {
    try {
      return JSON.parse(await readFile(this.#pathOf(asked), "utf8"));
    } catch {
      return undefined;
    }
  }

  async set(asked: unknown, verdict: unknown): Promise<void> {
    const path = this.#pathOf(asked);
    const unfinished = `${path}.${randomUUID()}.tmp`;
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(unfinished, JSON.stringify(verdict));
      await rename(unfinished, path);
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      this.#onProblem(error);
    }
  }

  #pathOf(asked: unknown): string {
    const hash = createHash("sha256").update(JSON.stringify(asked)).digest("hex");
    return join(this.#directory, hash.slice(0, 2), `${hash}.json`);
  }
}
