/** Looks at the machine's real processes, so that tests can prove that nothing was left behind. */
import { readdirSync, readFileSync } from "node:fs";

export type HostProcessInfo = { pid: number; parentPid: number; command: string };

/** Every process of the machine that is not a zombie. */
export function listHostProcesses(): HostProcessInfo[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const status = readFileSync(`/proc/${name}/stat`, "latin1");
        const [state, parentPid] = status.slice(status.lastIndexOf(")") + 2).split(" ");
        if (state === "Z" || state === "X") return [];
        const command = readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ").trim();
        return [{ pid: Number(name), parentPid: Number(parentPid), command }];
      } catch {
        return []; // It ended while we looked.
      }
    });
}

/** What this test process has started, and they in turn. */
export function listDescendants(ancestorPid = process.pid): HostProcessInfo[] {
  const all = listHostProcesses();
  const found = new Map<number, HostProcessInfo>();
  for (let isGrowing = true; isGrowing; ) {
    isGrowing = false;
    for (const candidate of all) {
      if (found.has(candidate.pid)) continue;
      if (candidate.parentPid !== ancestorPid && !found.has(candidate.parentPid)) continue;
      found.set(candidate.pid, candidate);
      isGrowing = true;
    }
  }
  return [...found.values()];
}

/** The users that local sandboxes run as in tests; other backends' tests may run beside them. */
const localUsers = [process.getuid?.(), 20_001, 20_117];

/** Processes of local sandboxes whose parent is gone: nobody would ever end them. */
export function listOrphanedSandboxes(): HostProcessInfo[] {
  return listHostProcesses().filter(
    ({ pid, parentPid, command }) =>
      parentPid === 1 &&
      /^(supervisor|keeper|\S*bwrap --args)/.test(command) &&
      localUsers.includes(userOf(pid)),
  );
}

/** Of /proc/PID itself the owner would be root where a process cannot be traced. */
function userOf(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/status`, "latin1").match(/^Uid:\s+(\d+)/m)?.[1]);
  } catch {
    return undefined;
  }
}

/** Processes with the text in their command line: use a text that only one test uses. */
export function findByCommand(text: string): HostProcessInfo[] {
  return listHostProcesses().filter(({ pid, command }) => pid !== process.pid && command.includes(text));
}

/** Asks again until it is so, since the kernel takes processes away a moment after their kill. */
export async function eventually(isSo: () => boolean, what: string): Promise<void> {
  for (let round = 0; round < 1200; round += 1) {
    if (isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never came true: ${what}`);
}
