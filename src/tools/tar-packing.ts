/** Host files as a tar stream, read while it is consumed: nothing is held in memory whole. */
import { createReadStream } from "node:fs";
import { lstat, readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pack as createPack, type Header, type Pack } from "tar-stream";

/** One host file under the name `name`; a symbolic link is followed. */
export function packFile(localPath: string, name: string): Readable {
  return streamOf(async (pack) => addFile(pack, localPath, name, await stat(localPath)));
}

/** Everything below a host directory; links stay links, sockets and devices are left out. */
export function packDirectory(localDirectory: string): Readable {
  const addBelow = async (pack: Pack, prefix: string): Promise<void> => {
    const names = (await readdir(join(localDirectory, prefix))).sort();
    for (const child of names) {
      const name = prefix === "" ? child : `${prefix}/${child}`;
      const path = join(localDirectory, name);
      const status = await lstat(path);
      if (status.isDirectory()) {
        await addEntry(pack, { name, type: "directory", mode: status.mode & 0o777 });
        await addBelow(pack, name);
      } else if (status.isSymbolicLink()) {
        await addEntry(pack, { name, type: "symlink", linkname: await readlink(path) });
      } else if (status.isFile()) {
        await addFile(pack, path, name, status);
      }
    }
  };
  return streamOf((pack) => addBelow(pack, ""));
}

/** Fills the archive as far as the reader takes it; a failure to read surfaces as the stream's error. */
function streamOf(fill: (pack: Pack) => Promise<void>): Readable {
  const pack = createPack();
  fill(pack).then(
    () => pack.finalize(),
    (error: unknown) => pack.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return Readable.from(pack);
}

async function addFile(
  pack: Pack,
  path: string,
  name: string,
  { size, mode, mtime }: { size: number; mode: number; mtime: Date },
): Promise<void> {
  const header = { name, size, mode: mode & 0o777, mtime, type: "file" } as const;
  if (size === 0) return await addEntry(pack, header);
  const { promise: added, resolve, reject } = Promise.withResolvers<void>();
  const entry = pack.entry(header, (error) => (error ? reject(error) : resolve()));
  // A file that grows meanwhile is cut at the size that its header says.
  const source = createReadStream(path, { end: size - 1 });
  source.once("error", reject);
  try {
    source.pipe(entry);
    await added;
  } finally {
    source.destroy();
  }
}

function addEntry(pack: Pack, header: Partial<Header> & { name: string }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  pack.entry(header, "", (error) => (error ? reject(error) : resolve()));
  return promise;
}
