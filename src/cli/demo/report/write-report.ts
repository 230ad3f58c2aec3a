/** Writes the demo's report: one HTML file with nothing outside of it, and its numbers as JSON. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { unwritable } from "../../../data/jsonl-file.ts";
import type { DemoState } from "../demo-state.ts";
import { reportPage } from "./report-page.ts";

/** Returns the path of the page. Rejects with OUTPUT_UNWRITABLE. */
export async function writeReport(
  state: DemoState,
  { runDirectory, now }: { runDirectory: string; now: Date },
): Promise<string> {
  const path = join(runDirectory, "report.html");
  const { settings, before, after, teacher, rollouts, trained } = state;
  const seconds = ((state.endedAt ?? Date.now()) - state.startedAt) / 1000;
  const numbers = { settings, seconds, teacher, before, after, rollouts, trained };
  try {
    await writeFile(path, reportPage(state, now));
    await writeFile(join(runDirectory, "results.json"), `${JSON.stringify(numbers, null, 1)}\n`);
  } catch (error) {
    throw unwritable(path, error);
  }
  return path;
}
