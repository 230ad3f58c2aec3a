/**
 * The JSONL file that `process` writes its groups to, and `serve` a copy of them: one JSON object a group,
 * with the fields and names of Atropos. An existing file is never touched: the next free name of
 * `groups.jsonl`, `groups_1.jsonl`, `groups_2.jsonl`, … is taken.
 */
import { join, parse } from "node:path";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import { JsonlFile } from "./jsonl-file.ts";

export class GroupFile implements AsyncDisposable {
  readonly #file: JsonlFile;

  private constructor(file: JsonlFile) {
    this.#file = file;
  }

  /** Creates the file before any work is done. Rejects with OUTPUT_UNWRITABLE. */
  static async open(path: string): Promise<GroupFile> {
    const { dir, name, ext } = parse(path);
    for (let number = 0; ; number++) {
      const candidate = number === 0 ? path : join(dir, `${name}_${number}${ext}`);
      const file = await JsonlFile.create(candidate);
      if (file !== null) return new GroupFile(file);
    }
  }

  /** Where the groups really go; differs from the path asked for when that one was taken. */
  get path(): string {
    return this.#file.path;
  }

  /** Groups that are wholly in the file. */
  get groups(): number {
    return this.#file.lines;
  }

  /** Resolves once the group is written. Rejects with OUTPUT_UNWRITABLE. */
  append(group: ScoredGroup): Promise<void> {
    return this.#file.append(group);
  }

  /** Waits for the appends and for the disk. Rejects with OUTPUT_UNWRITABLE. Idempotent. */
  close(): Promise<void> {
    return this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
