/** A line per step of `environment train`, at most one a second: progress for people, plain enough for a log. */
import type { TrainingStep } from "../contracts/training-step.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { CliOutput } from "./cli-io.ts";

export interface TrainView extends Disposable {
  /** Prints a line, behind the last step's where that one still waits for its turn. */
  print(text: string): void;
  /** Prints the last step's line if it still waits. */
  flush(): void;
}

const intervalMs = 1_000;

/** `steps`: how many there will be; 0 = no end is known. */
export function openTrainView({
  output,
  events,
  steps,
  now = Date.now,
}: {
  output: CliOutput;
  events: EventBus;
  steps: number;
  now?: () => number;
}): TrainView {
  const write = (text: string) => void output.write(`${text}\n`);
  let printedAt = Number.NEGATIVE_INFINITY;
  let last: TrainingStep | undefined;
  const flush = () => {
    if (last === undefined) return;
    write(stepLine(last, steps));
    last = undefined;
    printedAt = now();
  };
  const print = (text: string) => {
    flush();
    write(text);
  };
  const stops = [
    events.on("train-step", (step) => {
      last = step;
      if (now() - printedAt >= intervalMs) flush();
    }),
    events.on("notice", ({ level, message }) => print(level === "info" ? message : `${level}: ${message}`)),
    events.on("checkpoint-saved", ({ path }) => print(`saved ${path}`)),
  ];
  return {
    print,
    flush,
    [Symbol.dispose]() {
      flush();
      for (const stop of stops) stop();
    },
  };
}

export function stepLine(step: TrainingStep, steps: number): string {
  const number = (value: number | null, digits: number) => value?.toFixed(digits) ?? "-";
  const parts = [
    `step ${step.step}${steps > 0 ? `/${steps}` : ""}`,
    ...(step.mode === "grpo" ? [`reward ${number(step.reward, 3)}`] : []),
    `loss ${number(step.loss, 4)}`,
    `gradient ${number(step.gradientNorm, 3)}`,
    ...(step.mode === "grpo"
      ? [
          `clipped ${number(step.clipFraction, 3)}`,
          `drift ${step.drift === null ? "-" : step.drift.toExponential(1)}`,
          `stale ${number(step.stalenessMean, 1)}`,
        ]
      : []),
    `${step.sequences} sequences`,
    `${Math.round(step.tokensPerSecond)} tokens/s`,
  ];
  return parts.join("  ");
}
