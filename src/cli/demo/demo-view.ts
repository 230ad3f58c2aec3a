/** Shows the demo: one live block on a terminal, a line every few seconds elsewhere. */
import type { CliOutput } from "../cli-io.ts";
import type { Colors } from "../colors.ts";
import { openBlockView, type ProgressView } from "../progress-view.ts";
import { demoLines, demoPlainLine } from "./demo-screen.ts";
import type { DemoState } from "./demo-state.ts";

const plainIntervalMs = 5_000;

/** Starts showing; disposing of it leaves the last state on the screen. */
export function openDemoView(
  output: CliOutput,
  state: DemoState,
  { colors, isPlain }: { colors: Colors; isPlain: boolean },
): ProgressView {
  if (isPlain || !output.isTTY) {
    const print = (text: string) => void output.write(`${text}\n`);
    const timer = setInterval(() => print(demoPlainLine(state, Date.now())), plainIntervalMs).unref();
    return { print, [Symbol.dispose]: () => clearInterval(timer) };
  }
  return openBlockView(output, () => demoLines(state, Date.now(), colors));
}
