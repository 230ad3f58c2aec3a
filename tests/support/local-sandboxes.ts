/** What the tests of the local backend need to know of this machine. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "vitest";
import { findCgroupParents } from "../../backends/local/cgroups/find-cgroups.ts";
import { ownerMark } from "../../backends/owner-mark.ts";
import { eventually, findByCommand, listDescendants, listOrphanedSandboxes } from "./host-processes.ts";

/** Why bubblewrap sandboxes cannot be tested here; undefined when they can. */
export const bubblewrapSkipReason: string | undefined = (() => {
  const arguments_ = ["--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"];
  // It fails, too, where a mount of somebody else's goes just then.
  const probes = [1, 2, 3, 4].map((_) => spawnSync("bwrap", arguments_));
  const probe = probes.find(({ status }) => status === 0) ?? spawnSync("bwrap", arguments_);
  if (probe.error !== undefined) return "bubblewrap is not installed";
  return probe.status === 0 ? undefined : `bubblewrap does not work here: ${probe.stderr}`;
})();

const isSandboxCommand = (command: string) => /^(supervisor|keeper|perl - |\S*bwrap --args)/.test(command);

/** No process of a sandbox below this one, none that lost its parent, no directory of ours. */
export async function expectNoSandboxLeft(): Promise<void> {
  const left = () => [
    ...listDescendants().filter(({ command }) => isSandboxCommand(command)),
    ...listOrphanedSandboxes(),
  ];
  await eventually(() => left().length === 0, "no sandbox process is left").catch(() => {
    const found = left();
    // One leak is to fail one test.
    for (const { pid } of found) process.kill(pid, "SIGKILL");
    expect(found).toEqual([]);
  });
  const mark = await ownerMark();
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`lachesis-plain-${mark}-`))).toEqual([]);
  expect((await listCgroups()).filter((name) => name.includes(mark))).toEqual([]);
}

/** The names of all control groups that local sandboxes of anybody have made here. */
export async function listCgroups(): Promise<string[]> {
  const parents = await findCgroupParents();
  if (parents === undefined) return [];
  const directories = [parents.memory, ...(parents.version === 1 && parents.pids ? [parents.pids] : [])];
  return directories.flatMap((directory) =>
    readdirSync(directory).filter((name) => name.startsWith("lachesis.")),
  );
}

/** Kills the supervisors of all sandboxes of this test process, as seen from the host. */
export function killSupervisors(): void {
  for (const { pid, command } of listDescendants()) {
    if (command === "supervisor") process.kill(pid, "SIGKILL");
  }
}

export function isRunning(commandText: string): boolean {
  return findByCommand(commandText).length > 0;
}
