/**
 * Control groups that hold all processes of a sandbox together: what limits of single processes cannot, namely
 * many processes that each stay below their own.
 *
 * A group's name carries its owner's mark. A killed owner leaves empty groups behind, since its sandboxes die
 * with it; the next process that makes sandboxes here removes them.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ownerMark, ownerState } from "../../owner-mark.ts";
import type { CgroupParents } from "./find-cgroups.ts";

export type CgroupLimits = {
  /** Memory of all processes, files in tmpfs and kernel objects (inodes) together. */
  memoryBytes: number;
  processes: number;
};

const prefix = "lachesis.";
const removalRounds = 60;
const removalPauseMs = 25;

export class SandboxCgroups {
  readonly #parents: CgroupParents;
  readonly #mark: string;
  readonly #limits: CgroupLimits;

  private constructor(parents: CgroupParents, mark: string, limits: CgroupLimits) {
    this.#parents = parents;
    this.#mark = mark;
    this.#limits = limits;
  }

  /** Removes what dead owners left; undefined where a trial group cannot be made. */
  static async open(parents: CgroupParents, limits: CgroupLimits): Promise<SandboxCgroups | undefined> {
    await Promise.all(directoriesOf(parents).map(removeLeftovers));
    const groups = new SandboxCgroups(parents, await ownerMark(), limits);
    try {
      const trial = await groups.make();
      await trial.remove();
      return groups;
    } catch {
      return undefined;
    }
  }

  /** An empty group with its limits set. */
  async make(): Promise<SandboxCgroup> {
    const name = `${prefix}${this.#mark}.${randomBytes(6).toString("hex")}`;
    const group = new SandboxCgroup(directoriesOf(this.#parents).map((parent) => join(parent, name)));
    try {
      await group.make(this.#settings(name));
      return group;
    } catch (error) {
      await group.remove();
      throw error;
    }
  }

  #settings(name: string): CgroupSetting[] {
    const { memoryBytes, processes } = this.#limits;
    const memory = join(this.#parents.memory, name);
    if (this.#parents.version === 2) {
      return [
        { file: join(memory, "memory.max"), value: memoryBytes },
        { file: join(memory, "memory.swap.max"), value: 0, mayLack: true },
        { file: join(memory, "pids.max"), value: processes, mayLack: true },
      ];
    }
    const settings: CgroupSetting[] = [
      { file: join(memory, "memory.limit_in_bytes"), value: memoryBytes },
      { file: join(memory, "memory.memsw.limit_in_bytes"), value: memoryBytes, mayLack: true },
    ];
    if (this.#parents.pids !== undefined) {
      settings.push({ file: join(this.#parents.pids, name, "pids.max"), value: processes });
    }
    return settings;
  }
}

/** `mayLack`: the kernel may be built without it. */
type CgroupSetting = { file: string; value: number; mayLack?: boolean };

export class SandboxCgroup {
  /** One in each hierarchy. */
  readonly #directories: readonly string[];

  constructor(directories: readonly string[]) {
    this.#directories = directories;
  }

  async make(settings: readonly CgroupSetting[]): Promise<void> {
    await Promise.all(this.#directories.map((directory) => mkdir(directory)));
    for (const { file, value, mayLack = false } of settings) {
      await writeFile(file, String(value)).catch((error: unknown) => {
        if (!mayLack) throw error;
      });
    }
  }

  /** Moves a process; what it starts from then on is in the group too. Rejects where the process has gone. */
  async add(pid: number): Promise<void> {
    await Promise.all(
      this.#directories.map((directory) => writeFile(join(directory, "cgroup.procs"), String(pid))),
    );
  }

  /** Once the processes are gone; the kernel may take a moment to see that. */
  async remove(): Promise<void> {
    await Promise.all(this.#directories.map(removeSoon));
  }
}

function directoriesOf(parents: CgroupParents): string[] {
  const pids = parents.version === 1 ? parents.pids : undefined;
  // Controllers may share one hierarchy.
  return [...new Set(pids === undefined ? [parents.memory] : [parents.memory, pids])];
}

async function removeSoon(directory: string): Promise<void> {
  for (let round = 0; round < removalRounds; round += 1) {
    try {
      await rmdir(directory);
      return;
    } catch (error) {
      const isBusy = error instanceof Error && "code" in error && error.code === "EBUSY";
      if (!isBusy) return;
      await sleep(removalPauseMs);
    }
  }
}

async function removeLeftovers(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((candidate) => candidate.startsWith(prefix))) {
    const mark = name.slice(prefix.length, name.lastIndexOf("."));
    if ((await ownerState(mark)) === "dead") await rmdir(join(parent, name)).catch(() => {});
  }
}
