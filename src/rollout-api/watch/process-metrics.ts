/** How the server's process is doing: event-loop lag, memory, CPU. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, type Registry } from "prom-client";

const NANOSECONDS = 1e9;
const RESOLUTION_MS = 10;

/** Measures until disposed of. */
export class ProcessMetrics implements Disposable {
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>;
  readonly #lag: Gauge<"quantile">;
  readonly #memory: Gauge<"kind">;
  readonly #cpu: Counter<"mode">;

  constructor({ registry }: { registry: Registry }) {
    const registers = [registry];
    this.#delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#delay.enable();
    this.#lag = new Gauge({
      name: "lachesis_event_loop_lag_seconds",
      help: "How late the event loop was since the last scrape",
      labelNames: ["quantile"],
      registers,
    });
    this.#memory = new Gauge({
      name: "lachesis_process_memory_bytes",
      help: "Memory of the process: resident, JavaScript heap, buffers outside of it",
      labelNames: ["kind"],
      registers,
    });
    this.#cpu = new Counter({
      name: "lachesis_process_cpu_seconds_total",
      help: "CPU time of the process",
      labelNames: ["mode"],
      registers,
    });
    const started = new Gauge({
      name: "lachesis_process_start_time_seconds",
      help: "When the process started, seconds since 1970",
      registers,
    });
    started.set(Math.round(Date.now() / 1000 - process.uptime()));
  }

  /** Reads the process and begins a new measurement of the lag. */
  collect(): void {
    for (const [quantile, percentile] of [
      ["0.5", 50],
      ["0.99", 99],
      ["1", 100],
    ] as const) {
      // The histogram measures whole intervals; lag is what exceeds the one that was asked for.
      const interval = this.#delay.count === 0 ? 0 : this.#delay.percentile(percentile) / NANOSECONDS;
      this.#lag.set({ quantile }, Math.max(0, interval - RESOLUTION_MS / 1000));
    }
    this.#delay.reset();
    const { rss, heapUsed, external } = process.memoryUsage();
    this.#memory.set({ kind: "resident" }, rss);
    this.#memory.set({ kind: "heap" }, heapUsed);
    this.#memory.set({ kind: "external" }, external);
    const { user, system } = process.cpuUsage();
    this.#cpu.reset();
    this.#cpu.inc({ mode: "user" }, user / 1e6);
    this.#cpu.inc({ mode: "system" }, system / 1e6);
  }

  [Symbol.dispose](): void {
    this.#delay.disable();
  }
}
