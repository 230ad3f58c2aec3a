/**
 * Directories for what this process makes on disk, marked as its own: what a killed one left is removed when the
 * next one makes its own.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownerMark, ownerState } from "../../backends/owner-mark.ts";

/** Holds the maker's mark: in the directory's own name it would make paths of sockets inside too long. */
const ownerFile = "owner";

/** A new directory of the kind, e.g. "browser". Whoever asked removes it. */
export async function makeMarkedDirectory(kind: string): Promise<string> {
  const prefix = `lachesis-${kind}-`;
  for (const name of (await readdir(tmpdir())).filter((each) => each.startsWith(prefix))) {
    const path = join(tmpdir(), name);
    const mark = await readFile(join(path, ownerFile), "utf8").catch(() => null);
    if (mark !== null && (await ownerState(mark)) === "dead")
      await rm(path, { recursive: true, force: true });
  }
  const directory = await mkdtemp(join(tmpdir(), prefix));
  await writeFile(join(directory, ownerFile), await ownerMark());
  return directory;
}
