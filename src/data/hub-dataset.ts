/**
 * Datasets of the Hugging Face hub, as parquet files in a cache on disk. The first use asks the hub for the
 * commit, the files of config and split, and downloads them; a small manifest, written last, says what a
 * later run may use without any network. A download that is cut off leaves nothing that could be mistaken
 * for a whole one.
 */

import { randomUUID } from "node:crypto";
import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { datasetInfo, listFiles } from "@huggingface/hub";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import type { DatasetSource } from "./dataset.ts";
import { downloadHubFile } from "./hub-download.ts";
import { hubError, invalidToken } from "./hub-error.ts";
import { chooseSplitFiles, type RemoteFile } from "./hub-files.ts";
import { unwritable } from "./jsonl-file.ts";
import { makeDirectory } from "./make-directory.ts";

export type HubOptions = {
  signal: AbortSignal;
  /** Where downloads are kept for later runs. */
  cacheDirectory: string;
  /** For private and gated datasets; undefined = public only. */
  hubToken: string | undefined;
  /** Default: the public hub. */
  hubUrl?: string;
  onProgress?: (progress: { file: string; bytes: number; totalBytes: number }) => void;
};

export type HubSource = Extract<DatasetSource, { kind: "hub" }>;

const manifestSchema = z.object({
  commit: z.string(),
  files: z.array(z.object({ path: z.string(), size: z.number() })).min(1),
});
type Manifest = z.output<typeof manifestSchema>;

/** The branch where the hub keeps every dataset converted to parquet, as `<config>/<split>/NNNN.parquet`. */
const convertedBranch = "refs/convert/parquet";

/**
 * Paths of the local parquet files, in order. Rejects with DATASET_NOT_FOUND, DATASET_ACCESS_DENIED,
 * DATASET_UNREACHABLE, OUTPUT_UNWRITABLE (the cache), or the signal's reason.
 */
export async function cacheHubDataset(source: HubSource, options: HubOptions): Promise<string[]> {
  const directory = join(options.cacheDirectory, "datasets", source.name.replaceAll("/", "--"));
  const name = [source.revision ?? "main", source.config ?? "default", source.split].map(encodeURIComponent);
  const manifestPath = join(directory, `${name.join(",")}.json`);
  const cached = await readManifest(manifestPath, directory);
  if (cached !== null) return localPaths(directory, cached);
  const manifest = await fetchDataset(source, options, directory);
  await writeManifest(manifestPath, manifest);
  return localPaths(directory, manifest);
}

function localPaths(directory: string, { commit, files }: Manifest): string[] {
  return files.map((file) => join(directory, commit, file.path));
}

/** Null unless the manifest and every file it names are there in full. */
async function readManifest(path: string, directory: string): Promise<Manifest | null> {
  try {
    const manifest = manifestSchema.parse(JSON.parse(await readFile(path, "utf8")));
    for (const file of manifest.files) {
      const { size } = await stat(join(directory, manifest.commit, file.path));
      if (size !== file.size) return null;
    }
    return manifest;
  } catch {
    return null;
  }
}

async function writeManifest(path: string, manifest: Manifest): Promise<void> {
  try {
    await makeDirectory(dirname(path));
    const temporary = `${path}.${randomUUID()}.part`;
    await writeFile(temporary, JSON.stringify(manifest, null, 2));
    await rename(temporary, path);
  } catch (error) {
    throw unwritable(path, error);
  }
}

async function fetchDataset(source: HubSource, options: HubOptions, directory: string): Promise<Manifest> {
  const { signal, hubToken, hubUrl, onProgress } = options;
  if (hubToken !== undefined && !hubToken.startsWith("hf_")) throw invalidToken();
  const access = {
    ...(hubToken === undefined ? {} : { accessToken: hubToken }),
    ...(hubUrl === undefined ? {} : { hubUrl }),
    fetch: (input: string | URL | Request, init?: RequestInit) => fetch(input, { ...init, signal }),
  };
  try {
    const { commit, files } = await findFiles(source, access);
    for (const file of files) {
      await downloadHubFile({
        ...access,
        dataset: source.name,
        commit,
        file,
        target: join(directory, commit, file.path),
        signal,
        onProgress,
      });
    }
    return { commit, files: files.map(({ path, size }) => ({ path, size })) };
  } catch (error) {
    signal.throwIfAborted();
    throw hubError(error, source, hubToken !== undefined);
  }
}

export type HubAccess = { accessToken?: string; hubUrl?: string; fetch: typeof fetch };

/** The split's own parquet files, or else those of the hub's automatic conversion. */
async function findFiles(
  source: HubSource,
  access: HubAccess,
): Promise<{ commit: string; files: RemoteFile[] }> {
  const revision = source.revision ?? "main";
  const own = await listParquet(source.name, revision, access);
  const chosen = chooseSplitFiles(own.files, source);
  if (chosen.kind === "found") return { commit: own.commit, files: chosen.files };
  const converted =
    source.revision === undefined
      ? await listParquet(source.name, convertedBranch, access).catch(() => null)
      : null;
  if (converted !== null) {
    const files = chooseSplitFiles(converted.files, source);
    if (files.kind === "found") return { commit: converted.commit, files: files.files };
    throw notInDataset(source, [...chosen.candidates, ...files.candidates]);
  }
  throw notInDataset(source, chosen.candidates);
}

async function listParquet(
  name: string,
  revision: string,
  access: HubAccess,
): Promise<{ commit: string; files: RemoteFile[] }> {
  const { sha } = await datasetInfo({ name, revision, additionalFields: ["sha"], ...access });
  const files: RemoteFile[] = [];
  for await (const entry of listFiles({
    repo: `datasets/${name}`,
    recursive: true,
    revision: sha,
    ...access,
  })) {
    if (entry.type !== "file" || !entry.path.endsWith(".parquet")) continue;
    // The path becomes one below the cache.
    if (entry.path.split("/").includes("..")) continue;
    files.push({ path: entry.path, size: entry.lfs?.size ?? entry.size, sha256: entry.lfs?.oid ?? null });
  }
  return { commit: sha, files };
}

function notInDataset(source: HubSource, candidates: readonly string[]): LachesisError {
  const wanted = `config ${source.config ?? "(any)"}, split ${source.split}`;
  const known = [...new Set(candidates)].slice(0, 20).join(", ");
  return new LachesisError(
    "DATASET_NOT_FOUND",
    `Dataset ${source.name} has no parquet files for ${wanted}.`,
    {
      hint: known === "" ? "Download it by hand and pass a local file instead." : `It has: ${known}.`,
    },
  );
}
