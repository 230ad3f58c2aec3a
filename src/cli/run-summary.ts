/** The last words of a run: what happened, what was saved and where, what was lost and why. */
import { dirname } from "node:path";
import type { ProgressSnapshot } from "../telemetry/run-progress.ts";
import type { Colors } from "./colors.ts";
import { evaluationRows } from "./evaluation-rows.ts";
import { counted, formatDuration, formatMean, type RunHeading } from "./progress-lines.ts";
import { padText } from "./text-width.ts";

export type SavedThing = { what: string; path: string };

export type SummaryOptions = {
  heading: RunHeading;
  snapshot: ProgressSnapshot;
  /** What a pool tells of itself; {} without one. */
  sandboxes: Readonly<Record<string, number>>;
  result: {
    saved: readonly SavedThing[];
    metrics: Readonly<Record<string, number>>;
    rows?: readonly (readonly [string, string])[];
  };
  runDirectory: string;
  /** "stopped" = a signal ended the run. */
  ending: "ended" | "stopped" | "failed";
  colors: Colors;
};

/** The whole text, ending with a line break. */
export function summaryText({
  heading,
  snapshot,
  sandboxes,
  result,
  runDirectory,
  ending,
  colors,
}: SummaryOptions): string {
  const { groups, groupReasons, rollouts, failures } = snapshot;
  const rows: [string, string][] = [];
  const delivered = groups.sent + groups.written;
  if (heading.verb !== "evaluate") {
    rows.push(["groups", `${delivered} ${heading.verb === "serve" ? "sent" : "written"}`]);
    const lost = groups.skipped + groups.dropped;
    if (lost > 0) rows.push(["", `${lost} not: ${countsText(groupReasons)}`]);
    rows.push([
      "reward",
      `mean ${formatMean(snapshot.meanReward)} of ${counted(snapshot.rewarded, "scored rollout")}`,
    ]);
  }
  const numbers = Object.keys(result.metrics).length > 0 ? evaluationRows(result.metrics) : [];
  if (heading.verb === "evaluate") rows.push(...numbers);
  if (rollouts.failed > 0)
    rows.push(["failed", `${counted(rollouts.failed, "rollout")}, scored nowhere: ${countsText(failures)}`]);
  if (rollouts.cancelled > 0) rows.push(["cancelled", counted(rollouts.cancelled, "rollout")]);
  if (snapshot.toolCalls > 0)
    rows.push(["tools", `${counted(snapshot.toolCalls, "call")}, ${snapshot.toolErrors} failed`]);
  const pooled = sandboxesText(sandboxes);
  if (pooled !== "") rows.push(["sandboxes", pooled]);
  if (heading.verb !== "evaluate") rows.push(...numbers);
  for (const [label, text] of result.rows ?? []) rows.push([label, text]);
  for (const { what, path } of result.saved) rows.push(["saved", `${what} in ${path}`]);
  const owed = owedSamples(result.metrics);
  const evaluated = result.saved.find(({ what }) => what === "metrics");
  if (heading.verb === "evaluate" && owed > 0 && evaluated !== undefined) {
    rows.push([
      "resume",
      `--resume ${dirname(evaluated.path)} plays ${counted(owed, "sample")} without a score`,
    ]);
  }
  rows.push(["run", `${runDirectory} (config.yaml, run.log)`]);

  const width = Math.max(...rows.map(([label]) => label.length)) + 2;
  const title = `${heading.envName} ${heading.verb} ${ending} after ${formatDuration(snapshot.elapsedMs)}`;
  return `\n${colors.bold(title)}\n${rows.map(([label, text]) => `  ${colors.dim(padText(label, width))}${text}\n`).join("")}`;
}

/** Samples of an evaluation that have no score yet. */
function owedSamples(metrics: Readonly<Record<string, number>>): number {
  const columns = ["infra_failed", "cancelled", "not_played"];
  return columns.reduce((sum, column) => sum + (metrics[`eval/${column}`] ?? 0), 0);
}

/** `a x3, b x1`, the most frequent first. */
export function countsText(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([name, count]) => `${name} x${count}`)
    .join(", ");
}

function sandboxesText(metrics: Readonly<Record<string, number>>): string {
  const of = (name: string) => metrics[`sandbox/${name}`];
  const created = of("created");
  if (created === undefined) return "";
  const [median, high] = [of("acquire_ms_p50"), of("acquire_ms_p95")];
  const waits =
    median === undefined || high === undefined
      ? ""
      : `, ready after ${formatMs(median)} (95 % within ${formatMs(high)})`;
  return `${created} made, ${of("leaked") ?? 0} leaked${waits}`;
}

function formatMs(durationMs: number): string {
  return durationMs < 10 ? `${durationMs.toFixed(1)} ms` : `${Math.round(durationMs)} ms`;
}
