/** The demo's last words: a table of what each stage made, and where it lies. */
import { relative } from "node:path";
import type { Colors } from "./colors.ts";
import { type DemoStage, type DemoState, meanOfBatches } from "./demo-state.ts";
import { counted, formatMean } from "./progress-lines.ts";
import { padText, textWidth } from "./text-width.ts";

/** The whole text, ending with a line break. */
export function demoSummary(state: DemoState, runDirectory: string, colors: Colors): string {
  const { stages, batches, errorRate } = state;
  const { serve, process: written, evaluate } = stages;
  const rows: string[][] = [["stage", "rollouts", "made", "mean", "saved in"]];
  const files = (stage: DemoStage) =>
    stage.paths.map((path) => relative(runDirectory, path)).join(", ") || "-";
  const rollouts = (stage: DemoStage) => String(stage.snapshot?.().rollouts.scored ?? 0);
  if (serve.snapshot) {
    rows.push([
      "serve",
      rollouts(serve),
      counted(batches.length, "batch", "batches"),
      formatMean(meanOfBatches(batches)),
      "-",
    ]);
  }
  if (written.snapshot) {
    const { groups, meanReward } = written.snapshot();
    rows.push([
      "process",
      rollouts(written),
      counted(groups.written, "group"),
      formatMean(meanReward),
      files(written),
    ]);
  }
  if (evaluate.snapshot) {
    const { items, meanScore } = evaluate.snapshot().evaluation;
    rows.push([
      "evaluate",
      rollouts(evaluate),
      counted(items, "test problem"),
      formatMean(meanScore),
      files(evaluate),
    ]);
  }
  const widths = rows.reduce(
    (max, row) => row.map((cell, column) => Math.max(max[column] ?? 0, textWidth(cell))),
    [] as number[],
  );
  const lines = rows.map((row, index) => {
    const line = row
      .map((cell, column) => padText(cell, widths[column] ?? 0))
      .join("  ")
      .trimEnd();
    return index === 0 ? colors.dim(line) : line;
  });
  return [
    "",
    ...lines,
    "",
    `By design the mean is near ${(1 - errorRate).toFixed(2)}: the practice server errs on purpose.`,
    `The data is in ${colors.bold(runDirectory)}`,
    "",
  ].join("\n");
}
