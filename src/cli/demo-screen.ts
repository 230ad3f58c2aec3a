/** The demo's one screen, as lines. */
import type { Colors } from "./colors.ts";
import { type DemoStage, type DemoStageName, type DemoState, meanOfBatches } from "./demo-state.ts";
import { counted, errorText, formatDuration, formatMean, progressBar } from "./progress-lines.ts";
import { fitText } from "./text-width.ts";

const explained: Readonly<Record<DemoStageName, string>> = {
  serve: "rollouts → rollout API → trainer",
  process: "rollouts → groups.jsonl",
  evaluate: "rollouts → metrics.json",
};

/** Steps of the sample that are shown: more would push the rest off a small terminal. */
const shownSteps = 3;
/** A call longer than this leaves no room for its result. */
const callColumns = 56;

export function demoLines(state: DemoState, now: number, colors: Colors): string[] {
  const { seconds, seed, errorRate, startedAt, facts } = state;
  const elapsed = now - startedAt;
  return [
    `${colors.bold("Lachesis demo")}  ${progressBar(elapsed / (seconds * 1000), 20)} ${formatDuration(elapsed)} of about ${formatDuration(seconds * 1000)}  ${colors.dim(`seed ${seed}`)}`,
    colors.dim(
      `No model runs here: a practice server plays one, and errs in ${Math.round(errorRate * 100)} % of its rollouts.`,
    ),
    ...facts.map((fact) => colors.dim(fact)),
    "",
    ...stageLines("serve", state, colors),
    ...stageLines("process", state, colors),
    ...stageLines("evaluate", state, colors),
    "",
    ...sampleLines(state, colors),
  ];
}

function stageLines(name: DemoStageName, state: DemoState, colors: Colors): string[] {
  const stage = state.stages[name];
  const mark = { waiting: colors.dim("○"), running: colors.cyan("●"), done: colors.green("✓") }[stage.state];
  const title = `${mark} ${stage.state === "waiting" ? colors.dim(name.padEnd(9)) : colors.bold(name.padEnd(9))} ${colors.dim(explained[name])}`;
  return [title, ...numbersOf(name, stage, state).map((line) => `            ${line}`)];
}

function numbersOf(name: DemoStageName, stage: DemoStage, { batches }: DemoState): string[] {
  const snapshot = stage.snapshot?.();
  if (snapshot === undefined) return [];
  const { rollouts, evaluation } = snapshot;
  const turns = snapshot.meanTurns === undefined ? "" : ` · ${snapshot.meanTurns.toFixed(1)} turns each`;
  const errors = errorText(snapshot);
  const speed =
    stage.state === "running"
      ? `${rollouts.running} running · ${snapshot.rolloutsPerSecond.toFixed(1)}/s`
      : "";
  const rolloutsLine = `${rollouts.scored} rollouts${turns}${speed ? ` · ${speed}` : ""}${errors ? ` · ${errors}` : ""}`;
  switch (name) {
    case "serve": {
      const sequences = batches.reduce((sum, batch) => sum + batch.sequences, 0);
      const means = batches.map(({ meanScore }) => meanScore);
      const trainer = `trainer got ${counted(batches.length, "batch", "batches")}, ${sequences} rollouts · mean score ${formatMean(meanOfBatches(batches))}`;
      const each =
        means.length === 0
          ? []
          : [`by batch ${sparkline(means.slice(-32))}  last ${formatMean(means.at(-1))}`];
      return [rolloutsLine, trainer, ...each];
    }
    case "process":
      return [
        `${counted(snapshot.groups.written, "group")} written · mean score ${formatMean(snapshot.meanReward)} · ${rolloutsLine}`,
      ];
    case "evaluate":
      return [
        `${evaluation.items}/${evaluation.total ?? "?"} test problems · accuracy ${formatMean(evaluation.meanScore)} · ${rolloutsLine}`,
      ];
    default:
      return name satisfies never;
  }
}

function sampleLines({ sample }: DemoState, colors: Colors): string[] {
  if (sample === undefined) return [];
  const row = (label: string, text: string) => `  ${colors.dim(label.padEnd(8))} ${text}`;
  const steps = sample.steps
    .slice(0, shownSteps)
    .map(({ tool, call, result }) => row(tool, `${colors.cyan(fitText(call, callColumns))} → ${result}`));
  const more = sample.steps.length - shownSteps;
  return [
    colors.bold("One rollout of the last batch"),
    row("problem", sample.problem),
    ...steps,
    ...(more > 0 ? [row("", colors.dim(`and ${counted(more, "more call")}`))] : []),
    row("answer", sample.answer),
    row("score", sample.score > 0 ? colors.green(String(sample.score)) : colors.red(String(sample.score))),
  ];
}

/** One line for logs and pipes. */
export function demoPlainLine(state: DemoState, now: number): string {
  const names: DemoStageName[] = ["serve", "process", "evaluate"];
  const name = names.find((each) => state.stages[each].state === "running");
  const texts = name === undefined ? ["between stages"] : numbersOf(name, state.stages[name], state);
  return `${formatDuration(now - state.startedAt)} ${name ?? ""} ${texts.join(" · ")}`;
}

/** One character per value of 0..1. */
export function sparkline(values: readonly number[]): string {
  const bars = "▁▂▃▄▅▆▇█";
  return values.map((value) => bars[Math.min(7, Math.max(0, Math.floor(value * 8)))]).join("");
}
