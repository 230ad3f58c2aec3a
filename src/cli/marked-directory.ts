/**
 * Directories for what this process makes on disk, named after it: what a killed one left is removed when the
 * next one makes its own.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownerMark, ownerState } from "../../backends/owner-mark.ts";

/** A new directory of the kind, e.g. "browser". Whoever asked removes it. */
export async function makeMarkedDirectory(kind: string): Promise<string> {
  const prefix = `lachesis-${kind}-`;
  const names = await readdir(tmpdir());
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const mark = name.slice(prefix.length).replace(/-[^-]*$/, "");
    if ((await ownerState(mark)) === "dead") await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  return await mkdtemp(join(tmpdir(), `${prefix}${await ownerMark()}-`));
}
