/**
 * What a machine has that a sandbox could leave behind: processes, mounts, control groups, files in the places for
 * temporary ones, sockets, containers. Two inventories tell what came in between. Linux only.
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import Docker from "dockerode";

export const kinds = ["processes", "mounts", "cgroups", "files", "sockets", "containers"] as const;
export type Inventory = Record<(typeof kinds)[number], ReadonlySet<string>>;

const temporaryPlaces = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock"];

/** With `since`, an earlier one: without the processes that others have begun since then. */
export async function takeInventory({
  docker,
  since,
}: {
  docker: boolean;
  since?: Inventory;
}): Promise<Inventory> {
  return {
    processes: new Set(await processes(since?.processes)),
    mounts: new Set(lines(await readFile("/proc/self/mountinfo", "utf8"))),
    cgroups: new Set(await directoriesBelow("/sys/fs/cgroup")),
    files: new Set((await Promise.all(temporaryPlaces.map(entries))).flat()),
    sockets: new Set(await sockets()),
    containers: new Set(docker ? await containers() : []),
  };
}

/** What `after` has and `before` had not. */
export function newSince(before: Inventory, after: Inventory): Record<(typeof kinds)[number], string[]> {
  const left = (kind: (typeof kinds)[number]) => [...after[kind]].filter((what) => !before[kind].has(what));
  return {
    processes: left("processes"),
    mounts: left("mounts"),
    cgroups: left("cgroups"),
    files: left("files"),
    sockets: left("sockets"),
    containers: left("containers"),
  };
}

type Process = { parent: string; namespace: string; text: string };

/** Programs of user space, zombies included, as "pid name command"; without this one. */
async function processes(since: ReadonlySet<string> = new Set()): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const table = new Map<string, Process>();
  await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      const namespace = await readlink(`/proc/${pid}/ns/pid`).catch(() => "");
      const [, name = "", parent = ""] = /\((.*)\) \S (\d+)/s.exec(stat) ?? [];
      const isGoneOrKernels = stat === "" || pid === "2" || parent === "2";
      const text = `${pid} ${name} ${command.replaceAll("\0", " ").slice(0, 160)}`.trim();
      if (!isGoneOrKernels) table.set(pid, { parent, namespace, text });
    }),
  );
  const here = await readlink("/proc/self/ns/pid");
  /** What a sandbox leaves has a namespace of its own, or has come to init; what others begin has a living parent. */
  const isOthers = ({ parent, namespace }: Process) => {
    if (namespace !== here) return false;
    for (let pid = parent; pid !== "1" && pid !== String(process.pid); ) {
      const ancestor = table.get(pid);
      if (ancestor === undefined) return false;
      if (since.has(ancestor.text)) return true;
      pid = ancestor.parent;
    }
    return false;
  };
  return [...table]
    .filter(([pid, each]) => pid !== String(process.pid) && (since.has(each.text) || !isOthers(each)))
    .map(([, { text }]) => text);
}

/** Listening TCP ports, and sockets of the file system or with an abstract name. */
async function sockets(): Promise<string[]> {
  const tables = await Promise.all(
    ["tcp", "tcp6", "unix"].map((table) => readFile(`/proc/net/${table}`, "utf8").catch(() => "")),
  );
  const [tcp = "", tcp6 = "", unix = ""] = tables;
  const listening = [tcp, tcp6].flatMap((table) =>
    lines(table)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => state === "0A")
      .map(([, address = ""]) => `tcp port ${Number.parseInt(address.split(":")[1] ?? "", 16)}`),
  );
  const named = lines(unix).flatMap((line) => {
    const path = line.trim().split(/\s+/)[7];
    return path === undefined || path === "Path" ? [] : [`unix ${path}`];
  });
  return [...listening, ...named];
}

async function containers(): Promise<string[]> {
  const all = await new Docker().listContainers({ all: true });
  return all.map(({ Id, Image, State }) => `${Id.slice(0, 12)} ${Image} ${State}`);
}

async function directoriesBelow(directory: string): Promise<string[]> {
  const children = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const directories = children
    .filter((child) => child.isDirectory())
    .map(({ name }) => join(directory, name));
  const deeper = await Promise.all(directories.map(directoriesBelow));
  return [...directories, ...deeper.flat()];
}

async function entries(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names.map((name) => join(directory, name));
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
