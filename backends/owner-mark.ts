/**
 * Marks what a process of ours makes outside itself (a container, a directory, a remote job), so that a later
 * process can tell what a dead one has left behind. A mark is `host.boot.namespace.pid.start`, of letters,
 * digits and dots only: it fits into a label, a file name, a job's name.
 */
import { createHash } from "node:crypto";
import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";

export type OwnerState = "alive" | "dead" | "elsewhere";

/** The mark of this process. Linux only: elsewhere the boot and the start are unknown, and nobody is ever dead. */
export async function ownerMark(): Promise<string> {
  const { host, boot, namespace } = await place();
  return [host, boot, namespace, process.pid, (await startTicks(process.pid)) ?? 0].join(".");
}

/**
 * Whether the process that made the mark still runs. `elsewhere`: it is (or was) on another machine or in
 * another container, so that nobody here can know.
 */
export async function ownerState(mark: string): Promise<OwnerState> {
  const [host, boot, namespace, pid, start] = mark.split(".");
  const here = await place();
  if (start === undefined || host !== here.host || start === "0") return "elsewhere";
  if (boot !== here.boot) return "dead";
  if (namespace !== here.namespace) return "elsewhere";
  return String(await startTicks(Number(pid))) === start ? "alive" : "dead";
}

async function place(): Promise<{ host: string; boot: string; namespace: string }> {
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  const namespace = await readlink("/proc/self/ns/pid").catch(() => "");
  return { host: short(hostname()), boot: short(boot), namespace: short(namespace) };
}

function short(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 10);
}

/** When the process began, in clock ticks since boot: with the pid it names a process for good. */
async function startTicks(pid: number): Promise<number | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold spaces and parentheses; the start is the 20th field after it.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  } catch {
    return undefined;
  }
}
