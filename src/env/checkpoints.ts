/**
 * An environment's own state beside the trainer's checkpoints:
 * `<checkpoint_dir>/env_checkpoints/<name at the server>/step-<n>.json`.
 */

import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { JsonObject } from "../contracts/chat.ts";
import { makeDirectory } from "../data/make-directory.ts";

const stateSchema = z.record(z.string(), z.json());

export class Checkpoints {
  readonly #directory: string;

  /** `name` comes from the server: whatever could lead out of the directory is replaced. */
  constructor({ checkpointDir, name }: { checkpointDir: string; name: string }) {
    this.#directory = join(checkpointDir, "env_checkpoints", name.replaceAll(/[^\w.-]|^\.+/g, "_"));
  }

  /** Writes the state of a step; the file appears whole or not at all. Returns its path. */
  async save(step: number, state: JsonObject): Promise<string> {
    await makeDirectory(this.#directory);
    const path = join(this.#directory, `step-${step}.json`);
    await writeFile(`${path}.part`, JSON.stringify(state));
    await rename(`${path}.part`, path);
    return path;
  }

  /** The newest state saved at or before a step; null = none. */
  async load(step: number): Promise<{ step: number; state: JsonObject } | null> {
    const names = await readdir(this.#directory).catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    });
    const steps = names.flatMap((name) => /^step-(\d+)\.json$/.exec(name)?.[1] ?? []).map(Number);
    const newest = Math.max(...steps.filter((saved) => saved <= step));
    if (!Number.isFinite(newest)) return null;
    const text = await readFile(join(this.#directory, `step-${newest}.json`), "utf8");
    return { step: newest, state: stateSchema.parse(JSON.parse(text)) };
  }
}
