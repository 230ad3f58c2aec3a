/** What a bubblewrap tells of itself in its report, and how it is brought to its end. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { LaunchedProcess } from "./launch-process.ts";
import type { ReportFile } from "./report-file.ts";

const reportPauseMs = 2;
/** How long a sandbox whose launch process has gone may take to follow it. */
const orphanGraceMs = 2_000;
/** Before it, in the same file, stands at most what bubblewrap complained of: nobody else can write there yet. */
const bubblewrapInfoPattern = /\{\s*"child-pid": (\d+)[^{}]*\}/;

/** Settles when the sandbox has ended, which it may do by itself or by us; its control socket is closed already. */
export async function endBubblewrap(launched: LaunchedProcess): Promise<void> {
  let hasEnded = false;
  const ended = launched.ended.then(() => {
    hasEnded = true;
  });
  let pid = readChildPid(launched.report);
  while (pid === undefined && !hasEnded) {
    await Promise.race([ended, sleep(reportPauseMs)]);
    pid = readChildPid(launched.report);
  }
  if (pid !== undefined && !hasEnded) killHard(pid);
  await ended;
  if (launched.isGone()) return;
  // Its launch process was killed. It follows by itself, since its control socket is closed; we make sure.
  for (const deadline = performance.now() + orphanGraceMs; performance.now() < deadline; ) {
    pid ??= readChildPid(launched.report);
    if (pid !== undefined) {
      if (!isFirstOfNamespace(pid)) return;
      killHard(pid);
    }
    await sleep(reportPauseMs);
  }
}

/** Process 1 of the sandbox as the host sees it; undefined when bubblewrap has not told it (yet). */
export function readChildPid(report: ReportFile): number | undefined {
  const [, pid] = bubblewrapInfoPattern.exec(report.read()) ?? [];
  return pid === undefined ? undefined : Number(pid);
}

/** What it wrote to stderr. */
export function complaintIn(report: ReportFile): string {
  return report.read().replace(bubblewrapInfoPattern, "").trim();
}

function killHard(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It was gone already.
  }
}

/** Whether there is such a process: one that nobody waits for may have gone, and its number to somebody else. */
function isFirstOfNamespace(pid: number): boolean {
  try {
    return /^NSpid:\t.*\t1$/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}
