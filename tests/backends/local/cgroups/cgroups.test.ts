/** Where groups can be made, from what the kernel tells; and what is written there. Version 2 by stand-in files. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { findCgroupParents } from "../../../../backends/local/cgroups/find-cgroups.ts";
import { SandboxCgroups } from "../../../../backends/local/cgroups/sandbox-cgroups.ts";
import { TemporaryDirectory } from "../../../support/temporary-directory.ts";

/** Files as the kernel would show them. */
async function hierarchy(root: string, files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}

const mount = (root: string, type: string, options: string) =>
  `30 20 0:1 / ${root} rw - ${type} ${type} rw,${options}\n`;

test("version 1: below our own group, pids only where it may be written", async () => {
  await using place = await TemporaryDirectory.make();
  const [memory, pids] = [join(place.path, "memory"), join(place.path, "pids")];
  const sources = {
    ownGroups: "8:pids:/\n4:memory:/ours\n0::/\n",
    mounts: mount(pids, "cgroup", "pids") + mount(memory, "cgroup", "memory"),
  };
  expect(await findCgroupParents(sources)).toBeUndefined();
  await hierarchy(place.path, { "memory/ours/cgroup.procs": "" });
  const own = join(memory, "ours");
  expect(await findCgroupParents(sources)).toEqual({ version: 1, memory: own, pids: undefined });
  await hierarchy(place.path, { "pids/cgroup.procs": "" });
  expect(await findCgroupParents(sources)).toEqual({ version: 1, memory: own, pids });
});

test("version 2: beside our own group, when the parent passes the memory controller on", async () => {
  await using place = await TemporaryDirectory.make();
  const sources = { ownGroups: "0::/user/session\n", mounts: mount(place.path, "cgroup2", "nsdelegate") };
  await hierarchy(place.path, {
    "user/cgroup.procs": "",
    "user/cgroup.subtree_control": "cpu pids\n",
    "user/session/cgroup.procs": "1\n",
    "user/session/cgroup.subtree_control": "\n",
  });
  expect(await findCgroupParents(sources)).toBeUndefined();
  await hierarchy(place.path, { "user/cgroup.subtree_control": "cpu memory pids\n" });
  expect(await findCgroupParents(sources)).toEqual({ version: 2, memory: join(place.path, "user") });
});

test("a namespace whose root is not ours to see gives nothing", async () => {
  const sources = { ownGroups: "0::/../../elsewhere\n", mounts: mount("/nowhere", "cgroup2", "x") };
  expect(await findCgroupParents(sources)).toBeUndefined();
});

test("the limits are written before any process comes in", async () => {
  await using place = await TemporaryDirectory.make();
  await using place1 = await TemporaryDirectory.make();
  const limits = { memoryBytes: 1_000_000, processes: 50 };
  const parents = { version: 1 as const, memory: place.path, pids: place1.path };
  const groups = await SandboxCgroups.open(parents, limits);
  const earlier = await readdir(place.path);
  const group = await groups?.make();
  const [made = ""] = (await readdir(place.path)).filter((name) => !earlier.includes(name));
  const read = (root: string, file: string) => readFile(join(root, made, file), "utf8");
  expect(await read(place.path, "memory.limit_in_bytes")).toBe("1000000");
  expect(await read(place1.path, "pids.max")).toBe("50");
  await group?.add(4711);
  expect([await read(place.path, "cgroup.procs"), await read(place1.path, "cgroup.procs")]).toEqual([
    "4711",
    "4711",
  ]);
});
