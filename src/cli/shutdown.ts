/**
 * What Ctrl-C means. Once: `stopping` aborts, the run starts nothing new and finishes what it can. Twice:
 * `aborted` aborts, everything is let go at once, and if that hangs the process leaves by itself. SIGTERM
 * and SIGHUP are a first Ctrl-C with a deadline, because nobody sits there to press it again.
 */
import { constants } from "node:os";

const signalNames = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type SignalName = (typeof signalNames)[number];

/** npm passes Ctrl-C on to its child, which got it from the terminal already: both are one keypress. */
const sameKeypressMs = 400;
/** After this the default supervisors (systemd 90 s, Docker 10 s) would kill us without a clean-up. */
const graceMs = 8_000;
const abortDeadlineMs = 4_000;

export type ShutdownOptions = {
  /** Told once per stage, to tell the user. */
  onStage: (stage: "stopping" | "aborting", signal: SignalName) => void;
  /** Leaves the process when an abort hangs. Default: process.exit. */
  exit?: (code: number) => void;
  clock?: () => number;
};

export class Shutdown implements Disposable {
  readonly #stopping = new AbortController();
  readonly #aborted = new AbortController();
  readonly #options: Required<ShutdownOptions>;
  readonly #onSignal = (signal: SignalName) => this.#receive(signal);
  readonly #timers: NodeJS.Timeout[] = [];
  #first: { signal: SignalName; at: number } | undefined;

  constructor({ onStage, exit = (code) => process.exit(code), clock = Date.now }: ShutdownOptions) {
    this.#options = { onStage, exit, clock };
    for (const name of signalNames) process.on(name, this.#onSignal);
  }

  /** Aborts when no new work may start. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Aborts when work in flight must be left too. `stopping` has aborted by then. */
  get aborted(): AbortSignal {
    return this.#aborted.signal;
  }

  /** 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP; undefined when nothing came. */
  get exitCode(): number | undefined {
    return this.#first === undefined ? undefined : 128 + constants.signals[this.#first.signal];
  }

  #receive(signal: SignalName): void {
    const now = this.#options.clock();
    if (this.#first === undefined) {
      this.#first = { signal, at: now };
      this.#options.onStage("stopping", signal);
      this.#stopping.abort(new DOMException(`Stopped by ${signal}`, "AbortError"));
      if (signal !== "SIGINT") this.#after(graceMs, () => this.#abort(signal));
      return;
    }
    if (now - this.#first.at < sameKeypressMs) return;
    if (this.#aborted.signal.aborted) this.#options.exit(this.exitCode ?? 1);
    else this.#abort(signal);
  }

  #abort(signal: SignalName): void {
    if (this.#aborted.signal.aborted) return;
    this.#options.onStage("aborting", signal);
    this.#aborted.abort(new DOMException(`Aborted by ${signal}`, "AbortError"));
    this.#after(abortDeadlineMs, () => this.#options.exit(this.exitCode ?? 1));
  }

  #after(delayMs: number, act: () => void): void {
    this.#timers.push(setTimeout(act, delayMs).unref());
  }

  [Symbol.dispose](): void {
    for (const name of signalNames) process.off(name, this.#onSignal);
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
