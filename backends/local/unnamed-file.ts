/** Files that have a descriptor and no name, so that nothing is left of them however their process ends. Linux. */
import { randomBytes } from "node:crypto";
import { constants, openSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** `__O_TMPFILE` of asm-generic/fcntl.h, which x64 and arm64 share; Node doesn't name it. */
const temporaryFileFlag = 0o20000000;

/**
 * A descriptor, to read and write, of a new file in the place for temporary ones; only we may open it anew. A file
 * system that has no such files (NFS, some FUSE) gives one a name for the moment until it is removed: a process
 * killed in that moment leaves it behind, empty.
 */
export function openUnnamedFile(): number {
  const directory = tmpdir();
  try {
    // With O_EXCL nobody can give it a name later.
    const flags = temporaryFileFlag | constants.O_DIRECTORY | constants.O_RDWR | constants.O_EXCL;
    return openSync(directory, flags, 0o600);
  } catch {
    const path = join(directory, `lachesis-file-${randomBytes(9).toString("hex")}`);
    const descriptor = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    return descriptor;
  }
}
