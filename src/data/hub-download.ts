/**
 * Downloads one file of the hub in ranges, so that memory stays small, into a neighbour of its target which
 * takes the target's name only when size and checksum are right.
 */

import { createHash, randomUUID } from "node:crypto";
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { downloadFile } from "@huggingface/hub";
import { LachesisError } from "../contracts/errors.ts";
import type { HubAccess, HubOptions } from "./hub-dataset.ts";
import type { RemoteFile } from "./hub-files.ts";
import { unwritable } from "./jsonl-file.ts";
import { makeDirectory } from "./make-directory.ts";

const rangeBytes = 8 * 1024 * 1024;

export type HubDownload = HubAccess & {
  dataset: string;
  commit: string;
  file: RemoteFile;
  target: string;
  signal: AbortSignal;
  onProgress: HubOptions["onProgress"];
};

/** A target of the right size is left as it is. */
export async function downloadHubFile(download: HubDownload): Promise<void> {
  const { file, target } = download;
  if (await isWhole(target, file.size)) return;
  const blob = await downloadFile({
    repo: `datasets/${download.dataset}`,
    path: file.path,
    revision: download.commit,
    // Plain HTTP works through every proxy and mirror; these files are small.
    xet: false,
    ...access(download),
  });
  if (blob === null) throw damaged(download, "it is listed but not there");
  const temporary = `${target}.${randomUUID()}.part`;
  try {
    await writeBlob(blob, temporary, download);
    await rename(temporary, target).catch((error: unknown) => {
      throw unwritable(target, error);
    });
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

function access({ accessToken, hubUrl, fetch }: HubAccess): HubAccess {
  return {
    fetch,
    ...(accessToken === undefined ? {} : { accessToken }),
    ...(hubUrl === undefined ? {} : { hubUrl }),
  };
}

async function isWhole(path: string, size: number): Promise<boolean> {
  return stat(path).then(
    (found) => found.size === size,
    () => false,
  );
}

async function writeBlob(blob: Blob, path: string, download: HubDownload): Promise<void> {
  const { file, signal, onProgress } = download;
  const digest = createHash("sha256");
  await using handle = await openNew(path);
  for (let start = 0; start < file.size; start += rangeBytes) {
    signal.throwIfAborted();
    const end = Math.min(start + rangeBytes, file.size);
    const bytes = Buffer.from(await blob.slice(start, end).arrayBuffer());
    if (bytes.length !== end - start)
      throw damaged(download, `${bytes.length} bytes came for ${end - start}`);
    digest.update(bytes);
    await handle.writeFile(bytes).catch((error: unknown) => {
      throw unwritable(path, error);
    });
    onProgress?.({ file: file.path, bytes: end, totalBytes: file.size });
  }
  const checksum = digest.digest("hex");
  if (file.sha256 !== null && checksum !== file.sha256) throw damaged(download, "its checksum is wrong");
  await handle.sync();
}

async function openNew(path: string) {
  try {
    await makeDirectory(dirname(path));
    return await open(path, "wx");
  } catch (error) {
    throw unwritable(path, error);
  }
}

function damaged({ dataset, file }: HubDownload, what: string): LachesisError {
  return new LachesisError("DATASET_UNREACHABLE", `Downloading ${file.path} of ${dataset} failed: ${what}.`, {
    hint: "Try again, or download the file by hand and pass it as a local file.",
    retryable: true,
  });
}
