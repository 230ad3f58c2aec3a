/**
 * A run's own folder: `runs/<env>-<verb>-<timestamp>/` with the resolved configuration and the log. Making it
 * is the first thing a run does, so that an unwritable place is known before any work is.
 */

import { mkdir, mkdtemp, readdir, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import type { JsonObject } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import { makeDirectory } from "../data/make-directory.ts";
import { withoutSecrets } from "./redact.ts";

export type RunDirectoryOptions = {
  envName: string;
  verb: string;
  /** `--run-dir`; it must be new or empty. */
  chosen: string | undefined;
  now: Date;
};

/** Makes the directory and returns its path. Rejects with OUTPUT_UNWRITABLE. */
export async function makeRunDirectory({ envName, verb, chosen, now }: RunDirectoryOptions): Promise<string> {
  if (chosen !== undefined) {
    await requireWritable(chosen, "--run-dir");
    if ((await readdir(chosen)).length > 0) {
      throw new LachesisError("OUTPUT_UNWRITABLE", `--run-dir ${chosen}: expected a new or empty directory`, {
        hint: "Choose another directory, or leave --run-dir out to get a fresh one under runs/.",
      });
    }
    return chosen;
  }
  const stamp = now.toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  for (let attempt = 1; ; attempt++) {
    const path = join("runs", `${envName}-${verb}-${stamp}${attempt === 1 ? "" : `-${attempt}`}`);
    await requireWritable("runs", "the run directory");
    try {
      await mkdir(path);
      return path;
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw unwritable(path, "the run directory", error);
    }
  }
}

/** Makes sure that files can be made in a directory, which is made if missing. `what` says whose it is. */
export async function requireWritable(directory: string, what: string): Promise<void> {
  try {
    await makeDirectory(directory);
    await rmdir(await mkdtemp(join(directory, ".writable-")));
  } catch (error) {
    throw unwritable(directory, what, error);
  }
}

/** Checks the places outside the run directory that the configuration asks to write to. */
export async function requireWritableOutputs(config: Record<string, unknown>): Promise<void> {
  const { data_path_to_save_groups: groups, data_dir_to_save_evals: evaluations } = config;
  if (typeof groups === "string") await requireWritable(dirname(groups), "env.data_path_to_save_groups");
  if (typeof evaluations === "string") await requireWritable(evaluations, "env.data_dir_to_save_evals");
}

export type SavedConfig = { env: Record<string, unknown>; servers: readonly Record<string, unknown>[] };

/** The configuration as a file has it, without secrets. */
export function recordedConfig({ env, servers }: SavedConfig): JsonObject {
  const openai = servers.length === 1 ? servers[0] : servers;
  return jsonObject.parse(JSON.parse(JSON.stringify(withoutSecrets({ env, openai }))));
}

const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), z.json());

/** Writes config.yaml, from which `--config` starts the same run again. Secrets are left out. Rejects with OUTPUT_UNWRITABLE. */
export async function saveConfig(runDirectory: string, { env, servers }: SavedConfig): Promise<void> {
  const text =
    "# The run's whole configuration; --config reads it back. Secrets are left out:\n" +
    "# set OPENAI_API_KEY or pass --openai.api_key.\n" +
    stringify(recordedConfig({ env, servers }));
  try {
    await writeFile(join(runDirectory, "config.yaml"), text);
  } catch (error) {
    throw unwritable(join(runDirectory, "config.yaml"), "the run's configuration", error);
  }
}

function unwritable(path: string, what: string, cause: unknown): LachesisError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LachesisError("OUTPUT_UNWRITABLE", `Can't write to ${path} (${what}): ${reason}`, {
    hint: "Choose a directory that you may write to, e.g. --run-dir DIR.",
    cause,
  });
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
