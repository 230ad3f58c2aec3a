/** The demo's one screen, as lines. */
import { parameterCount } from "../../tiny-policy/engine/parameters.ts";
import { transformerConfig } from "../../tiny-policy/engine/transformer-config.ts";
import { type Colors, makeColors } from "../colors.ts";
import { counted, formatDuration, progressBar } from "../progress-lines.ts";
import { oneLine } from "../text-width.ts";
import {
  confidenceInterval,
  type DemoEvaluation,
  type DemoState,
  type Proportion,
  type StageName,
  shareOf,
  stageNames,
} from "./demo-state.ts";

const titles: Readonly<Record<StageName, [name: string, what: string]>> = {
  process: ["process", "what the teacher does"],
  sft: ["sft", "learn to imitate it"],
  before: ["evaluate", "before: held-out problems, sampled"],
  train: ["train", "serve → rollout API → trainer → policy server"],
  after: ["evaluate", "after"],
};

const curveColumns = 50;
const weights = parameterCount(transformerConfig.parse({ vocabulary_size: 512 }));

export function demoLines(state: DemoState, now: number, colors: Colors): string[] {
  const { settings, facts } = state;
  const elapsed = (state.endedAt ?? now) - state.startedAt;
  const aim = settings.isRandomReward
    ? "a control: its rewards are thrown by chance"
    : "learns to use Python";
  return [
    `${colors.bold("Lachesis demo")}  ${formatDuration(elapsed)}  ${colors.dim(`seed ${settings.seed}`)}`,
    colors.dim(`A language model of ${weights.toLocaleString("en-US")} weights, on this processor: ${aim}.`),
    ...facts.map((fact) => colors.dim(fact)),
    "",
    ...stageNames.flatMap((name) => stageLines(name, state, now, colors)),
    "",
    ...sampleLines(state, colors),
  ];
}

function stageLines(name: StageName, state: DemoState, now: number, colors: Colors): string[] {
  const stage = state.stages[name];
  if (stage.state === "skipped") return [];
  const mark = { waiting: colors.dim("○"), running: colors.cyan("●"), done: colors.green("✓") }[stage.state];
  const [title, what] = titles[name];
  const head = `${mark} ${stage.state === "waiting" ? colors.dim(title.padEnd(9)) : colors.bold(title.padEnd(9))} ${colors.dim(what)}`;
  const time = stage.startedAt === undefined ? "" : formatDuration((stage.endedAt ?? now) - stage.startedAt);
  return [
    `${head}${time === "" ? "" : colors.dim(` · ${time}`)}`,
    ...numbersOf(name, state, colors).map((line) => `            ${line}`),
  ];
}

function numbersOf(name: StageName, state: DemoState, colors: Colors): string[] {
  if (state.stages[name].state === "waiting") return [];
  switch (name) {
    case "process":
      return [
        `${counted(state.teacher.count, "rollout")}, ${percent(state.teacher)} right: sloppy on purpose`,
      ];
    case "sft": {
      const { step, loss } = state.supervised;
      return [`step ${step}/${state.settings.supervisedSteps} · loss ${loss?.toFixed(3) ?? "-"}`];
    }
    case "before":
    case "after":
      return evaluationLines(state[name], state);
    case "train":
      return trainLines(state, colors);
    default:
      return name satisfies never;
  }
}

function evaluationLines(evaluation: DemoEvaluation | undefined, state: DemoState): string[] {
  if (evaluation === undefined) {
    const { done, total = 0, correct } = state.evaluation;
    return [
      `${progressBar(done / total, 20)} ${done}/${total} · ${percent({ successes: correct, count: done })} right`,
    ];
  }
  return [evaluationText(evaluation, state)];
}

export function evaluationText(
  { accuracy, toolSuccess }: DemoEvaluation,
  { settings }: Pick<DemoState, "settings">,
): string {
  const [low, high] = confidenceInterval(accuracy);
  const interval = `95 % of ${Math.round(low * 100)} to ${Math.round(high * 100)} %`;
  const part =
    accuracy.count < settings.evalItems
      ? `the first ${accuracy.count} of ${settings.evalItems}`
      : accuracy.count;
  return `${percent(accuracy)} right of ${part} (${interval}) · Python ran in ${percent(toolSuccess)}`;
}

function trainLines(state: DemoState, colors: Colors): string[] {
  const { settings, trained } = state;
  const last = trained.at(-1);
  const step = last?.step ?? 0;
  const curve = (label: string, key: "correct" | "toolSuccesses", color: (text: string) => string) => {
    const shares = curveOf(wholeSteps(state), key, curveColumns);
    return shares.length === 0
      ? []
      : [`${label} ${color(sparkline(shares))} ${shares.at(-1)?.toFixed(2) ?? ""}`];
  };
  const line = [
    `${progressBar(step / settings.steps, 20)} step ${step}/${settings.steps}`,
    ...(last === undefined ? [] : [`${tokensPerSecond(state)} tokens/s`, `drift ${driftText(state)}`]),
    ...(last?.stalenessMean == null ? [] : [`${last.stalenessMean.toFixed(1)} versions old`]),
  ].join(" · ");
  return [
    line,
    ...curve("right ", "correct", colors.green),
    ...curve("python", "toolSuccesses", colors.cyan),
  ];
}

/** Steps of which enough was seen: the first rollouts to end are not like the others. */
export function wholeSteps({ rollouts, settings }: Pick<DemoState, "rollouts" | "settings">) {
  return rollouts.filter((step) => step.rollouts * 2 >= settings.batchSize);
}

/** Shares over time, in at most so many points of equally many steps. */
export function curveOf(
  rollouts: DemoState["rollouts"],
  key: "correct" | "toolSuccesses",
  points: number,
): number[] {
  const size = Math.max(1, Math.ceil(rollouts.length / points));
  return Array.from({ length: Math.ceil(rollouts.length / size) }, (_, index) => {
    const part = rollouts.slice(index * size, (index + 1) * size);
    const sum = (of: "correct" | "toolSuccesses" | "rollouts") =>
      part.reduce((total, step) => total + step[of], 0);
    return sum(key) / Math.max(1, sum("rollouts"));
  });
}

/** Trained on, the time of playing included. */
function tokensPerSecond({ trained, stages }: DemoState): number {
  const { startedAt = 0, endedAt = Date.now() } = stages.train;
  const tokens = trained.reduce((sum, step) => sum + step.tokens, 0);
  return Math.round(tokens / Math.max(1, (endedAt - startedAt) / 1000));
}

/** The largest difference of sampled and recomputed log-probabilities so far. */
export function driftText({ trained }: Pick<DemoState, "trained">): string {
  const drifts = trained.flatMap(({ drift }) => drift ?? []);
  if (drifts.length === 0) return "-";
  const worst = Math.max(...drifts);
  return worst === 0 ? "0" : worst.toExponential(0);
}

function sampleLines({ samples }: DemoState, colors: Colors): string[] {
  const sample = samples.at(-1);
  if (sample === undefined) return [];
  const row = (label: string, text: string) => `  ${colors.dim(label.padEnd(8))} ${text}`;
  const { question, code, result, answer, score, step } = sample;
  const call =
    code === null ? colors.dim("not asked") : `${colors.cyan(oneLine(code))} → ${oneLine(result ?? "")}`;
  return [
    colors.bold(`What it said at step ${step}`),
    row("problem", oneLine(question)),
    row("python", call),
    row("answer", oneLine(answer)),
    row("reward", score > 0 ? colors.green(String(score)) : colors.red(String(score))),
  ];
}

/** One line for logs and pipes. */
export function demoPlainLine(state: DemoState, now: number): string {
  const name = stageNames.find((each) => state.stages[each].state === "running");
  const time = formatDuration((state.endedAt ?? now) - state.startedAt);
  if (name === undefined) return `${time} between stages`;
  return `${time} ${titles[name][0]}: ${numbersOf(name, state, makeColors(false)).join(" · ")}`;
}

function percent(proportion: Proportion): string {
  const share = shareOf(proportion);
  return share === undefined ? "-" : `${Math.round(share * 100)} %`;
}

/** One character per value of 0..1. */
export function sparkline(values: readonly number[]): string {
  const bars = "▁▂▃▄▅▆▇█";
  return values.map((value) => bars[Math.min(7, Math.max(0, Math.floor(value * 8)))]).join("");
}
