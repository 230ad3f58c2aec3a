/**
 * Directories for what this process makes on disk, marked as its own: what a killed one left is removed when the
 * next one makes its own.
 */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownerMark, ownerState } from "../../backends/owner-mark.ts";

/** Holds the maker's mark: in the directory's own name it would make paths of sockets inside too long. */
const ownerFile = "owner";
/** Its maker marks a directory at once; one without a mark that is so old was left by one killed in between. */
const unmarkedForMs = 60_000;

/** A new directory of the kind, e.g. "browser". Whoever asked removes it. */
export async function makeMarkedDirectory(kind: string): Promise<string> {
  const prefix = `lachesis-${kind}-`;
  for (const name of (await readdir(tmpdir())).filter((each) => each.startsWith(prefix))) {
    const path = join(tmpdir(), name);
    if (await isLeft(path)) await rm(path, { recursive: true, force: true });
  }
  const directory = await mkdtemp(join(tmpdir(), prefix));
  await writeFile(join(directory, ownerFile), await ownerMark());
  return directory;
}

async function isLeft(directory: string): Promise<boolean> {
  try {
    const mark = await readFile(join(directory, ownerFile), "utf8");
    if (mark !== "") return (await ownerState(mark)) === "dead";
  } catch (error) {
    const isUnmarked = error instanceof Error && "code" in error && error.code === "ENOENT";
    // Another user's can't be read.
    if (!isUnmarked) return false;
  }
  const { mtimeMs } = await stat(directory).catch(() => ({ mtimeMs: Number.NaN }));
  return Date.now() - mtimeMs > unmarkedForMs;
}
