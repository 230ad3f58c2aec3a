/**
 * A tar stream from a sandbox into host files. The archive is untrusted: nothing is written outside the
 * target, no link is ever created on the host, no permission beyond rwx is taken over, and a size limit ends
 * the transfer.
 */
import { createWriteStream } from "node:fs";
import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract as createExtract, type Extract as Extraction } from "tar-stream";
import { LachesisError } from "../contracts/errors.ts";

type Entry = Extraction extends AsyncIterable<infer Source> ? Source : never;

export type UnpackOptions = { signal: AbortSignal; maxBytes: number };

export type DirectoryDownload = {
  files: number;
  bytes: number;
  /** Names of symbolic links, devices and the like, which were not created here. */
  skipped: string[];
};

/** The one file of an archive: its size, or the target of the symbolic link that the archive holds instead. */
export type FileDownload = { bytes: number } | { linkTarget: string };

/** Writes the archive's one file; it appears at `localPath` whole or not at all. */
export async function unpackFile(
  tar: Readable,
  localPath: string,
  options: UnpackOptions,
): Promise<FileDownload> {
  let result: FileDownload | undefined;
  await forEachEntry(tar, options.signal, async (entry) => {
    const { type, name, linkname } = entry.header;
    if (result !== undefined) throw refused(`expected one file, got also "${name}"`);
    if (type === "symlink") {
      result = { linkTarget: linkname };
      return;
    }
    if (!isFile(type)) throw refused(`expected a file, got "${name}" of type ${type}`);
    const partial = `${localPath}.part`;
    await mkdir(dirname(localPath), { recursive: true });
    try {
      const bytes = await writeEntry(entry, partial, { ...options, usedBytes: 0 });
      await rename(partial, localPath);
      result = { bytes };
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  });
  if (result === undefined) throw refused("expected a file, got an empty archive");
  return result;
}

/** Writes the archive's files and directories below `localDirectory`, which is created. */
export async function unpackDirectory(
  tar: Readable,
  localDirectory: string,
  options: UnpackOptions,
): Promise<DirectoryDownload> {
  const result: DirectoryDownload = { files: 0, bytes: 0, skipped: [] };
  const written = new Set<string>();
  await mkdir(localDirectory, { recursive: true });
  await forEachEntry(tar, options.signal, async (entry) => {
    const { type, linkname } = entry.header;
    const name = nameInside(entry.header.name);
    const path = join(localDirectory, name);
    if (type === "directory") {
      await mkdir(path, { recursive: true });
    } else if (isFile(type)) {
      await mkdir(dirname(path), { recursive: true });
      result.bytes += await writeEntry(entry, path, { ...options, usedBytes: result.bytes });
      result.files += 1;
      written.add(name);
    } else if (type === "link" && written.has(nameInside(linkname))) {
      // A second name of a file that came before.
      await mkdir(dirname(path), { recursive: true });
      await copyFile(join(localDirectory, nameInside(linkname)), path);
      result.files += 1;
      written.add(name);
    } else {
      result.skipped.push(name);
    }
  });
  return result;
}

async function forEachEntry(
  tar: Readable,
  signal: AbortSignal,
  visit: (entry: Entry) => Promise<void>,
): Promise<void> {
  const extract = createExtract();
  const feeding = pipeline(tar, extract, { signal });
  const reading = (async () => {
    for await (const entry of extract) {
      await visit(entry);
      entry.resume();
    }
  })();
  try {
    await Promise.all([feeding, reading]);
  } catch (error) {
    extract.destroy();
    tar.destroy();
    await Promise.allSettled([feeding, reading]);
    signal.throwIfAborted();
    if (error instanceof LachesisError) throw error;
    throw new LachesisError("TRANSFER_FAILED", `The transfer broke off: ${String(error)}.`, { cause: error });
  }
}

async function writeEntry(
  entry: Entry,
  path: string,
  { maxBytes, usedBytes, signal }: UnpackOptions & { usedBytes: number },
): Promise<number> {
  let bytes = 0;
  const counted = async function* () {
    for await (const chunk of entry) {
      if (!(chunk instanceof Uint8Array)) throw refused("a part of the archive that is not bytes");
      bytes += chunk.length;
      if (usedBytes + bytes > maxBytes) throw refused(`expected at most ${maxBytes} bytes, got more`);
      yield chunk;
    }
  };
  const file = createWriteStream(path, { mode: entry.header.mode & 0o777 });
  await pipeline(counted, file, { signal });
  return bytes;
}

/** The name relative to the archive's root; throws on one that leads out of it. */
function nameInside(name: string): string {
  const normal = posix.normalize(name);
  if (posix.isAbsolute(normal) || normal === ".." || normal.startsWith("../")) {
    throw refused(`"${name}" leads out of the directory`);
  }
  return normal;
}

function isFile(type: string): boolean {
  return type === "file" || type === "contiguous-file";
}

function refused(what: string): LachesisError {
  return new LachesisError("TRANSFER_FAILED", `From the sandbox: ${what}.`);
}
