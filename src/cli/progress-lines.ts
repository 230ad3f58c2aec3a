/** The words of the progress views: pure functions from numbers to lines. */
import type { ProgressSnapshot } from "../telemetry/run-progress.ts";
import type { Colors } from "./colors.ts";

export type RunHeading = {
  verb: string;
  envName: string;
  /** Shown beside the name, e.g. the servers and the model. */
  detail: string;
  /** How many steps, groups or items make the run; undefined = unknown. */
  total: number | undefined;
};

type Advance = { done: number; total: number | undefined; perSecond: number; unit: string };

/** What of a snapshot counts toward the end of the run. A serve run ends with the trainer's steps instead. */
function advanceOf(
  { verb, total }: RunHeading,
  { evaluation, groups, groupsPerSecond }: ProgressSnapshot,
): Advance {
  if (verb === "evaluate") {
    return {
      done: evaluation.items,
      total: evaluation.total,
      perSecond: evaluation.itemsPerSecond,
      unit: "items",
    };
  }
  const done = groups.sent + groups.written;
  return { done, total: verb === "serve" ? undefined : total, perSecond: groupsPerSecond, unit: "groups" };
}

/** The lines of the live block. */
export function blockLines(heading: RunHeading, snapshot: ProgressSnapshot, colors: Colors): string[] {
  const { verb, envName, detail } = heading;
  const { done, total, perSecond, unit } = advanceOf(heading, snapshot);
  const { evaluation, rollouts } = snapshot;
  const row = (label: string, ...parts: string[]) =>
    `  ${colors.dim(label.padEnd(9))} ${joinParts(...parts)}`;
  const aim = total === undefined ? String(done) : `${progressBar(done / total, 20)} ${done}/${total}`;
  const errors = errorText(snapshot);
  return [
    `${colors.bold(`${envName} ${verb}`)}  ${formatDuration(snapshot.elapsedMs)}  ${colors.dim(detail)}`,
    row(unit, aim, formatRate(perSecond), etaText(done, total, perSecond), lostText(snapshot)),
    ...(verb === "serve" ? [row("trainer", trainerText(snapshot, heading.total))] : []),
    ...(verb === "evaluate" ? [] : [row("reward", rewardText(snapshot))]),
    ...(verb === "evaluate" || evaluation.items > 0
      ? [
          row(
            "score",
            `mean ${formatMean(evaluation.meanScore)}`,
            verb === "evaluate" ? "" : "of the last evaluation",
          ),
        ]
      : []),
    row(
      "rollouts",
      `${rollouts.scored} scored`,
      `${rollouts.running} running`,
      formatRate(snapshot.rolloutsPerSecond),
      snapshot.meanTurns === undefined ? "" : `${snapshot.meanTurns.toFixed(1)} turns each`,
    ),
    row("errors", errors === "" ? colors.dim("none") : colors.yellow(errors)),
  ];
}

/** One line for logs and pipes. */
export function plainLine(heading: RunHeading, snapshot: ProgressSnapshot): string {
  const { verb } = heading;
  const { done, total, perSecond, unit } = advanceOf(heading, snapshot);
  const { evaluation, rollouts } = snapshot;
  return [
    formatDuration(snapshot.elapsedMs),
    total === undefined ? `${unit} ${done}` : `${unit} ${done}/${total}`,
    formatRate(perSecond),
    etaText(done, total, perSecond),
    verb === "serve" ? `trainer ${trainerText(snapshot, heading.total)}` : "",
    verb === "evaluate"
      ? `score ${formatMean(evaluation.meanScore)}`
      : `reward ${formatMean(snapshot.meanReward)}`,
    `rollouts ${rollouts.scored} (${rollouts.running} running)`,
    lostText(snapshot),
    errorText(snapshot),
  ]
    .filter((part) => part !== "")
    .join(" | ");
}

/** Failures and tool errors by kind; "" when there are none. */
export function errorText({ failures, toolErrors }: ProgressSnapshot): string {
  const codes = [...failures].sort((a, b) => b[1] - a[1]).map(([code, count]) => `${code} x${count}`);
  return joinParts(...codes, toolErrors > 0 ? counted(toolErrors, "failed tool call") : "");
}

/** `1:05`, `1:02:03`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** `1 group`, `2 groups`. */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`;
}

export function formatMean(mean: number | undefined): string {
  return mean === undefined ? "-" : mean.toFixed(3);
}

/** Per second above 1, else per minute, so that slow runs show digits too. */
export function formatRate(perSecond: number): string {
  if (perSecond === 0 || perSecond >= 1) return `${perSecond.toFixed(1)}/s`;
  return `${(perSecond * 60).toFixed(1)}/min`;
}

/** A bar of `width` columns; `share` is cut to 0..1. */
export function progressBar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share || 0)) * width);
  return "█".repeat(filled) + "░".repeat(width - filled);
}

function etaText(done: number, total: number | undefined, perSecond: number): string {
  if (total === undefined || done >= total) return "";
  return perSecond > 0 ? `ETA ${formatDuration(((total - done) / perSecond) * 1000)}` : "ETA -";
}

function lostText({ groups, groupReasons }: ProgressSnapshot): string {
  const lost = groups.skipped + groups.dropped;
  return lost === 0 ? "" : `${lost} not used (${[...groupReasons.keys()].join(", ")})`;
}

function trainerText({ server }: ProgressSnapshot, total: number | undefined): string {
  if (server === undefined) return "none yet";
  return joinParts(
    total === undefined ? `step ${server.step}` : `step ${server.step}/${total}`,
    etaText(server.step, total, server.stepsPerSecond),
    `queue ${server.queueSize}`,
  );
}

function rewardText({ meanReward, recentMeanReward }: ProgressSnapshot): string {
  if (meanReward === undefined) return "-";
  return joinParts(`mean ${formatMean(meanReward)}`, `last 30 s ${formatMean(recentMeanReward)}`);
}

function joinParts(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" · ");
}
