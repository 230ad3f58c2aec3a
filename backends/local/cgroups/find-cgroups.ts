/**
 * Where this process may make control groups for its sandboxes, without moving anything that runs already.
 *
 * Version 1 (one hierarchy per resource): below its own group. Version 2: below its own group where that is the
 * root of the hierarchy, else beside it, since there a group with processes cannot have groups with limits.
 */
import { constants } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";

/** Directories to make groups in; `memory` is always among them. */
export type CgroupParents =
  | { version: 1; memory: string; pids: string | undefined }
  | { version: 2; memory: string };

export type CgroupSources = {
  /** As /proc/self/cgroup: `id:controllers:path` in each line. */
  ownGroups: string;
  /** As /proc/self/mountinfo. */
  mounts: string;
};

/** Undefined where no group that limits memory can be made. */
export async function findCgroupParents(sources?: CgroupSources): Promise<CgroupParents | undefined> {
  const { ownGroups, mounts } = sources ?? {
    ownGroups: await readFile("/proc/self/cgroup", "utf8").catch(() => ""),
    mounts: await readFile("/proc/self/mountinfo", "utf8").catch(() => ""),
  };
  const memory = ownDirectory(ownGroups, mounts, "memory");
  if (memory !== undefined && (await isWritable(memory))) {
    const pids = ownDirectory(ownGroups, mounts, "pids");
    const mayCount = pids !== undefined && (await isWritable(pids));
    return { version: 1, memory, pids: mayCount ? pids : undefined };
  }
  const own = ownDirectory(ownGroups, mounts, "");
  if (own === undefined) return undefined;
  for (const parent of [own, dirname(own)]) {
    if ((await givesMemory(parent)) && (await isWritable(parent))) return { version: 2, memory: parent };
  }
  return undefined;
}

/** Our own group's directory in the hierarchy of a controller ("" = version 2), if it is mounted. */
function ownDirectory(ownGroups: string, mounts: string, controller: string): string | undefined {
  const group = ownGroups
    .split("\n")
    .map((line) => line.match(/^\d+:([^:]*):(.*)$/))
    .find((match) => (match?.[1] ?? "none").split(",").includes(controller))?.[2];
  if (group === undefined) return undefined;
  for (const line of mounts.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root = "", mountPoint = ""] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    const isRight =
      controller === "" ? type === "cgroup2" : type === "cgroup" && options.split(",").includes(controller);
    if (!isRight) continue;
    const below = posix.relative(root, group);
    if (below.startsWith("..")) continue;
    return join(mountPoint, below);
  }
  return undefined;
}

async function givesMemory(directory: string): Promise<boolean> {
  const given = await readFile(join(directory, "cgroup.subtree_control"), "utf8").catch(() => "");
  return given.trim().split(" ").includes("memory");
}

async function isWritable(directory: string): Promise<boolean> {
  try {
    await access(directory, constants.W_OK);
    await access(join(directory, "cgroup.procs"), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
