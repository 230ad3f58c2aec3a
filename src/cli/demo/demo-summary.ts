/** The demo's last words: what was right before and after, whether that is enough, and where everything lies. */

import type { Colors } from "../colors.ts";
import { formatDuration } from "../progress-lines.ts";
import { evaluationText } from "./demo-screen.ts";
import { type DemoState, riseOf } from "./demo-state.ts";

/** The whole text, ending with a line break. */
export function demoSummary(
  state: DemoState,
  { runDirectory, report, colors }: { runDirectory: string; report: string | null; colors: Colors },
): string {
  const { before, after, settings, trained } = state;
  const rise = riseOf(state);
  const seconds = ((state.endedAt ?? Date.now()) - state.startedAt) / 1000;
  return [
    "",
    ...(before === undefined ? [] : [`before  ${evaluationText(before, state)}`]),
    ...(after === undefined ? [] : [`after   ${evaluationText(after, state)}`]),
    ...(rise === null ? [] : [verdict(rise, state, colors)]),
    "",
    `${trained.length} training steps, ${formatDuration(seconds * 1000)} in all, seed ${settings.seed}.`,
    ...(report === null ? [] : [`Report: ${colors.bold(report)}`]),
    `The data is in ${colors.bold(runDirectory)}`,
    "",
  ].join("\n");
}

function verdict(rise: number, { settings }: DemoState, colors: Colors): string {
  const points = `${rise >= 0 ? "+" : "−"}${Math.abs(rise * 100).toFixed(0)} points`;
  const asked = `${(settings.margin * 100).toFixed(0)} points`;
  if (settings.isRandomReward) {
    return hasSucceeded(rise, settings)
      ? colors.green(`${points}: from rewards by chance nothing was learned, as it should be.`)
      : colors.red(`${points}: more than from rewards by chance can be learned.`);
  }
  return hasSucceeded(rise, settings)
    ? colors.green(`${points} on problems it was never trained on (asked for: ${asked}).`)
    : colors.red(`${points}: less than the ${asked} that are asked for.`);
}

/** The control succeeds where nothing was learned. */
export function hasSucceeded(
  rise: number,
  { margin, isRandomReward }: Pick<DemoState["settings"], "margin" | "isRandomReward">,
): boolean {
  return isRandomReward ? rise < margin : rise >= margin;
}
