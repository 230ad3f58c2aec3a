/** The doctor's words: one line per backend and program, and under what doesn't work why and what to do. */
import type { Colors } from "../colors.ts";
import { wrapText } from "../config-help.ts";
import { padText } from "../text-width.ts";
import type { ProgramReport } from "./find-programs.ts";
import type { BackendReport } from "./try-backend.ts";

const nameColumns = 14;
const timeColumns = 10;
const steps = ["create", "exec", "1 MB file", "destroy"];

export function backendsHeading(colors: Colors): string {
  const head = steps.map((step) => step.padStart(timeColumns)).join("");
  return `${colors.bold(padText("Sandboxes", nameColumns + 4))}${colors.dim(head)}`;
}

/** `isWanted`: the run depends on it; another that doesn't work is no failure. */
export function backendText(
  report: BackendReport,
  { isWanted, columns, colors }: { isWanted: boolean; columns: number; colors: Colors },
): string {
  const { name, works, timings, python, error } = report;
  const mark = works ? colors.green("✓") : isWanted ? colors.red("✗") : colors.yellow("–");
  const label = padText(isWanted ? colors.bold(name) : name, nameColumns);
  if (error === undefined) {
    const { createMs, execMs, filesMs, destroyMs } = timings;
    const times = [createMs, execMs, filesMs, destroyMs].map((time) => timeText(time).padStart(timeColumns));
    const without = python === null ? colors.yellow("   no python3 inside") : "";
    return `  ${mark} ${label}${times.join("")}${without}`;
  }
  const margin = " ".repeat(nameColumns + 4);
  const width = Math.max(30, columns - margin.length);
  const [first = "", ...rest] = error.message.split("\n").flatMap((line) => wrapText(line, width));
  const hint = error.hint === null ? [] : wrapText(`→ ${error.hint}`, width).map((line) => colors.cyan(line));
  return [`  ${mark} ${label}${first}`, ...[...rest, ...hint].map((line) => margin + line)].join("\n");
}

export function programsText(reports: readonly ProgramReport[], colors: Colors): string {
  const lines = reports.map(({ name, version, purpose, remedy }) => {
    const label = padText(name, nameColumns);
    if (version !== null)
      return `  ${colors.green("✓")} ${label}${padText(version, 18)}${colors.dim(purpose)}`;
    return `  ${colors.yellow("–")} ${label}${padText("missing", 18)}${colors.dim(purpose)}\n${" ".repeat(nameColumns + 4)}${colors.cyan(`→ ${remedy}`)}`;
  });
  return `${colors.bold("Programs")}\n${lines.join("\n")}\n`;
}

function timeText(durationMs: number | undefined): string {
  if (durationMs === undefined) return "-";
  if (durationMs >= 10_000) return `${(durationMs / 1000).toFixed(1)} s`;
  return `${durationMs < 100 ? durationMs.toFixed(1) : Math.round(durationMs)} ms`;
}
