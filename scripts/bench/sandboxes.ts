/**
 * What sandboxes cost on this machine, backend by backend: latency of create, exec and destroy one at a time; whole
 * rollouts (create, three commands, destroy) per second at several concurrencies, with and without a pool; how long
 * a warm pool lets a rollout wait; how many can be held at once and what each weighs. A plain spawn and a bare
 * bwrap in the same run are the measure to compare with. Ctrl-C ends it with everything cleaned up.
 *
 * Run: npx node scripts/bench/sandboxes.ts [--backends local,docker] [--rollouts 300] [--idle 500]
 *        [--docker-image IMAGE] [--docker-rollouts 60] [--docker-idle 200] [--limit 60]
 *        [--tables latencies,rates,warm,idle]
 */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { type BackendConfig, createBackend } from "../../backends/index.ts";
import { SandboxPool } from "../../backends/sandbox-pool.ts";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import {
  bareRolloutsPerSecond,
  holdIdle,
  latencies,
  percentile,
  rolloutsPerSecond,
  spawnTimes,
  warmAcquires,
} from "./sandboxes/measure.ts";

const { values } = parseArgs({
  options: {
    backends: { type: "string", default: "local,none,docker" },
    rollouts: { type: "string", default: "300" },
    idle: { type: "string", default: "500" },
    "docker-image": { type: "string", default: "python:3.12-slim" },
    "docker-rollouts": { type: "string", default: "60" },
    "docker-idle": { type: "string", default: "200" },
    tables: { type: "string", default: "latencies,rates,warm,idle" },
    /** Seconds that one cell of the tables may take. */
    limit: { type: "string", default: "60" },
  },
});

type Subject = { label: string; backend: string; config: BackendConfig; rollouts: number; idle: number };

const subjects: Readonly<Record<string, Subject>> = {
  local: {
    label: "local",
    backend: "local",
    config: {},
    rollouts: Number(values.rollouts),
    idle: Number(values.idle),
  },
  none: {
    label: "local, no walls",
    backend: "local",
    config: { isolation: "none" },
    rollouts: Number(values.rollouts),
    idle: 0,
  },
  docker: {
    label: "docker",
    backend: "docker",
    config: { image: values["docker-image"], pull: "never" },
    rollouts: Number(values["docker-rollouts"]),
    idle: Number(values["docker-idle"]),
  },
};

const concurrencies = [1, 8, 16];
const poolSize = 16;
/** Of the bare bubblewraps to compare with. */
const walls = [
  "--unshare-all",
  "--ro-bind",
  "/",
  "/",
  "--dev",
  "/dev",
  "--proc",
  "/proc",
  "--die-with-parent",
];
const limitMs = Number(values.limit) * 1000;
const stop = new AbortController();
const { signal } = stop;
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => stop.abort(new DOMException(`Stopped by ${name}`, "AbortError")));
}

const poolOver = (backend: SandboxBackend) =>
  new SandboxPool({ backend, size: poolSize, acquireTimeoutMs: 300_000, idleTimeoutMs: 300_000 });
const ms = (samples: readonly number[]) =>
  `${percentile(samples, 0.5).toFixed(2)} [${percentile(samples, 0.95).toFixed(1)}]`;
const row = (...cells: (string | number)[]) => console.log(`| ${cells.join(" | ")} |`);
const heading = (...cells: string[]) => {
  console.log();
  row(...cells);
  row(...cells.map(() => "---"));
};

try {
  await bench();
} catch (error) {
  if (!signal.aborted) throw error;
  console.error("Stopped; nothing is left running.");
  process.exitCode = 130;
}

async function bench(): Promise<void> {
  const [cpu] = cpus();
  console.log(
    `${cpus().length} × ${cpu?.model ?? "?"}, Node ${process.versions.node}, load average ${loadText()} before.`,
  );
  const working: Subject[] = [];
  for (const name of values.backends.split(",")) {
    const subject = subjects[name];
    if (subject === undefined)
      throw new Error(`--backends: expected ${Object.keys(subjects).join(", ")}, got ${name}`);
    await using backend = createBackend(subject.backend, subject.config);
    try {
      await backend.check({ signal });
      working.push(subject);
    } catch (error) {
      signal.throwIfAborted();
      console.log(`${subject.label}: left out. ${error instanceof Error ? error.message : error}`);
    }
  }

  const tables = {
    latencies: benchLatencies,
    rates: benchRates,
    warm: benchWarm,
    idle: benchIdle,
  };
  const chosen = values.tables.split(",");
  for (const [name, bench] of Object.entries(tables)) if (chosen.includes(name)) await bench(working);
  console.log(`\nLoad average ${loadText()} after.`);
}

async function benchLatencies(working: readonly Subject[]): Promise<void> {
  const plain = await spawnTimes(["true"], 100, signal);
  const bare = await spawnTimes(["bwrap", ...walls, "true"], 50, signal).catch(() => []);
  const baseline = percentile(plain, 0.5);
  const timesPlain = (samples: readonly number[]) => `${(percentile(samples, 0.5) / baseline).toFixed(1)} ×`;
  heading("ms, median [p95]", "create", "exec", "destroy", "create / spawn");
  row("plain spawn of `true`", "", ms(plain), "", "1.0 ×");
  if (bare.length > 0) row("bare `bwrap true`", "", ms(bare), "", timesPlain(bare));
  for (const { label, backend: name, config, rollouts } of working) {
    await using backend = createBackend(name, config);
    await backend.check({ signal });
    const samples = await latencies(backend, Math.min(40, rollouts), signal);
    row(label, ms(samples.create), ms(samples.exec), ms(samples.destroy), timesPlain(samples.create));
  }
}

async function benchRates(working: readonly Subject[]): Promise<void> {
  heading("rollouts/s", ...concurrencies.map((concurrency) => `${concurrency} at once`), "acquire at 8, ms");
  const bare = await bareRates().catch(() => []);
  signal.throwIfAborted();
  if (bare.length > 0) row("bare `bwrap bash`, three times `true`", ...bare, "");
  for (const { label, backend: name, config, rollouts } of working) {
    for (const isPooled of [false, true]) {
      const rates: string[] = [];
      let acquire = "";
      for (const concurrency of concurrencies) {
        const inner = createBackend(name, config);
        await using backend = isPooled ? poolOver(inner) : inner;
        if (backend instanceof SandboxPool) await backend.warmUp({ signal });
        else await backend.check({ signal });
        const load = { count: rollouts, concurrency, limitMs, signal };
        const result = await rolloutsPerSecond(backend, load);
        rates.push(result.perSecond.toFixed(result.perSecond < 20 ? 1 : 0));
        if (concurrency === 8) acquire = ms(result.acquire);
      }
      row(isPooled ? `${label}, pool of ${poolSize}` : label, ...rates, acquire);
    }
  }
}

/** Rejects where bubblewrap doesn't work. */
async function bareRates(): Promise<string[]> {
  const rates: string[] = [];
  for (const concurrency of concurrencies) {
    const load = { count: Number(values.rollouts), concurrency, limitMs, signal };
    rates.push((await bareRolloutsPerSecond(walls, load)).toFixed(0));
  }
  return rates;
}

async function benchWarm(working: readonly Subject[]): Promise<void> {
  heading("warm pool", "acquire, ms");
  for (const { label, backend: name, config, rollouts } of working) {
    await using pool = poolOver(createBackend(name, config));
    row(label, ms(await warmAcquires(pool, Math.min(64, rollouts), signal)));
  }
}

async function benchIdle(working: readonly Subject[]): Promise<void> {
  heading("idle", "held", "created, /s", "MB each: processes, machine", "exec, ms", "destroyed in, s");
  for (const { label, backend: name, config, idle } of working) {
    if (idle === 0) continue;
    await using backend = createBackend(name, config);
    await backend.check({ signal });
    const report = await holdIdle(backend, { count: idle, concurrency: 8, limitMs: limitMs * 3, signal });
    const memory = `${report.processMb.toFixed(1)}, ${report.machineMb.toFixed(1)}`;
    const rate = (report.held / report.createSeconds).toFixed(1);
    row(label, `${report.held} of ${idle}`, rate, memory, ms(report.exec), report.destroySeconds.toFixed(1));
  }
}

function loadText(): string {
  return loadavg()
    .slice(0, 2)
    .map((load) => load.toFixed(1))
    .join(", ");
}
