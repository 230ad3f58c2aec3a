/**
 * Shows a run while it goes: one live block on a terminal, plain lines elsewhere. It only listens; a view
 * that is slow or gone never holds the run up.
 */
import type { EventBus } from "../telemetry/events.ts";
import type { RunProgress } from "../telemetry/run-progress.ts";
import type { CliOutput } from "./cli-io.ts";
import type { Colors } from "./colors.ts";
import { LiveBlock } from "./live-block.ts";
import { blockLines, plainLine, type RunHeading } from "./progress-lines.ts";

/** A terminal is redrawn this often, which is also the most often. */
const blockIntervalMs = 125;
const plainIntervalMs = 5_000;

export interface ProgressView extends Disposable {
  /** Prints a line that stays. */
  print(text: string): void;
}

export type ProgressViewOptions = {
  output: CliOutput;
  heading: RunHeading;
  progress: RunProgress;
  events: EventBus;
  colors: Colors;
};

/** Starts a view; disposing of it prints the last state and gives the cursor back. */
export function openProgressView(options: ProgressViewOptions): ProgressView {
  const { output, heading, progress, colors } = options;
  const view = output.isTTY
    ? openBlockView(output, () => blockLines(heading, progress.snapshot(), colors))
    : openPlainView(options);
  const marks = { info: "", warn: colors.yellow("warning: "), error: colors.red("error: ") };
  const stopListening = options.events.on("notice", ({ level, message }) =>
    view.print(marks[level] + message),
  );
  return {
    print: (text) => view.print(text),
    [Symbol.dispose]() {
      stopListening();
      view[Symbol.dispose]();
    },
  };
}

/** Redraws the lines in place until it is disposed of, which leaves the last state on the screen. */
export function openBlockView(output: CliOutput, lines: () => string[]): ProgressView {
  const block = new LiveBlock(output);
  const draw = () => block.draw(lines());
  draw();
  const timer = setInterval(draw, blockIntervalMs).unref();
  return {
    print: (text) => block.print(text),
    [Symbol.dispose]() {
      clearInterval(timer);
      draw();
      block.close();
    },
  };
}

function openPlainView({ output, heading, progress }: ProgressViewOptions): ProgressView {
  const print = (text: string) => void output.write(`${text}\n`);
  print(`${heading.envName} ${heading.verb}: ${heading.detail}`);
  let last = "";
  const printState = () => {
    last = plainLine(heading, progress.snapshot());
    print(last);
  };
  const timer = setInterval(printState, plainIntervalMs).unref();
  return {
    print,
    [Symbol.dispose]() {
      clearInterval(timer);
      if (plainLine(heading, progress.snapshot()) !== last) printState();
    },
  };
}
