/** Finds processes of this machine by a mark in their environment: those of a sandbox that outlived its supervisor. */
import { readdir, readFile } from "node:fs/promises";

/** The variable that holds the mark. */
export const markVariable = "LACHESIS_SANDBOX";
const rounds = 20;

/** Kills every process whose environment carries the mark, until none is left. */
export async function killMarked(mark: string): Promise<void> {
  const needle = `${markVariable}=${mark}\0`;
  for (let round = 0; round < rounds; round += 1) {
    const names = await readdir("/proc").catch(() => []);
    const pids = names.filter((name) => /^\d+$/.test(name));
    const marked = await Promise.all(
      pids.map(async (pid) =>
        (await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "")).includes(needle),
      ),
    );
    const found = pids.filter((_, index) => marked[index]);
    if (found.length === 0) return;
    for (const pid of found) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It was gone already.
      }
    }
  }
}
