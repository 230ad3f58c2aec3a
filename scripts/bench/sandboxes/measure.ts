/** What the sandbox benchmark measures: latencies, rates, memory. Everything ends when the signal aborts. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { SandboxPool } from "../../../backends/sandbox-pool.ts";
import type { Sandbox, SandboxBackend } from "../../../src/contracts/sandbox.ts";

export type Samples = { create: number[]; exec: number[]; destroy: number[] };

const command = { argv: ["true"] as [string] };

export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export async function timed<T>(samples: number[], work: () => Promise<T>): Promise<T> {
  const startedAtMs = performance.now();
  const result = await work();
  samples.push(performance.now() - startedAtMs);
  return result;
}

/** A command without any sandbox of ours, one after the other. */
export async function spawnTimes(
  argv: readonly [string, ...string[]],
  count: number,
  signal: AbortSignal,
): Promise<number[]> {
  const samples: number[] = [];
  for (let round = 0; round < count; round += 1) {
    signal.throwIfAborted();
    const [exitCode] = await timed(samples, () =>
      once(spawn(argv[0], argv.slice(1), { stdio: "ignore" }), "close"),
    );
    if (exitCode !== 0) return [];
  }
  return samples;
}

/** Latencies with nothing else going on. */
export async function latencies(
  backend: SandboxBackend,
  count: number,
  signal: AbortSignal,
): Promise<Samples> {
  const samples: Samples = { create: [], exec: [], destroy: [] };
  for (let round = 0; round < count; round += 1) {
    const sandbox = await timed(samples.create, () => backend.create({ rolloutId: "bench", signal }));
    for (let turn = 0; turn < 5; turn += 1) await timed(samples.exec, () => execTrue(sandbox, signal));
    await timed(samples.destroy, async () => sandbox[Symbol.asyncDispose]());
  }
  return samples;
}

/** Rollouts (create, three commands, destroy) per second; ends early when the time is over. */
export async function rolloutsPerSecond(
  backend: SandboxBackend,
  load: Load,
): Promise<{ perSecond: number; acquire: number[] }> {
  const { signal } = load;
  const acquire: number[] = [];
  const perSecond = await timesPerSecond(load, async () => {
    await using sandbox = await timed(acquire, () => backend.create({ rolloutId: "bench", signal }));
    for (let turn = 0; turn < 3; turn += 1) await execTrue(sandbox, signal);
  });
  return { perSecond, acquire };
}

/** The same with no more than a bubblewrap and a shell that is told what to run: no limits, no frames, no files. */
export function bareRolloutsPerSecond(walls: readonly string[], load: Load): Promise<number> {
  return timesPerSecond(load, async () => {
    const shell = spawn("bwrap", [...walls, "bash", "--norc"], { stdio: ["pipe", "pipe", "inherit"] });
    await once(shell, "spawn");
    const closed = once(shell, "close");
    shell.stdin.on("error", () => undefined);
    const answers = createInterface({ input: shell.stdout })[Symbol.asyncIterator]();
    try {
      for (let turn = 0; turn < 3; turn += 1) {
        load.signal.throwIfAborted();
        shell.stdin.write("/bin/true; echo $?\n");
        const { value } = await answers.next();
        if (value !== "0") throw new Error(`true in a bare bwrap: expected 0, got ${value ?? "its end"}`);
      }
    } finally {
      shell.kill("SIGKILL");
      await closed;
    }
  });
}

async function timesPerSecond(
  { count, concurrency, limitMs }: Load,
  play: () => Promise<void>,
): Promise<number> {
  let left = count;
  let played = 0;
  const startedAtMs = performance.now();
  const playAll = async () => {
    while (left > 0 && performance.now() - startedAtMs < limitMs) {
      left -= 1;
      await play();
      played += 1;
    }
  };
  await allOrFirstError(Array.from({ length: concurrency }, playAll));
  return (played * 1000) / (performance.now() - startedAtMs);
}

export type Load = { count: number; concurrency: number; limitMs: number; signal: AbortSignal };

/** How long a request waits for a slot of a pool that has some ready. */
export async function warmAcquires(pool: SandboxPool, count: number, signal: AbortSignal): Promise<number[]> {
  const samples: number[] = [];
  while (samples.length < count) {
    await pool.warmUp({ signal });
    const sandboxes: Sandbox[] = [];
    try {
      for (let taken = pool.counts().warm; taken > 0 && samples.length < count; taken -= 1) {
        sandboxes.push(await timed(samples, () => pool.create({ rolloutId: "bench", signal })));
      }
    } finally {
      await Promise.all(sandboxes.map((sandbox) => sandbox[Symbol.asyncDispose]()));
    }
  }
  return samples;
}

export type IdleReport = {
  held: number;
  createSeconds: number;
  /** Memory each: of the processes below this one, and of what the whole machine had less. */
  processMb: number;
  machineMb: number;
  exec: number[];
  destroySeconds: number;
};

/** Holds so many sandboxes at once, uses some, and ends them. */
export async function holdIdle(
  backend: SandboxBackend,
  { count, concurrency, limitMs, signal }: Load,
): Promise<IdleReport> {
  const held: Sandbox[] = [];
  const [processBefore, machineBefore] = [descendantsMb(), availableMb()];
  const startedAtMs = performance.now();
  try {
    let left = count;
    const make = async () => {
      while (left > 0 && performance.now() - startedAtMs < limitMs) {
        left -= 1;
        held.push(await backend.create({ rolloutId: "idle", signal }));
      }
    };
    await allOrFirstError(Array.from({ length: concurrency }, make));
    const { length: total } = held;
    const createSeconds = (performance.now() - startedAtMs) / 1000;
    const processMb = (descendantsMb() - processBefore) / total;
    const machineMb = (machineBefore - availableMb()) / total;
    const exec: number[] = [];
    for (const sandbox of held.slice(0, 50)) await timed(exec, () => execTrue(sandbox, signal));
    const destroy: number[] = [];
    await timed(destroy, () => disposeAll(held, concurrency));
    return {
      held: total,
      createSeconds,
      processMb,
      machineMb,
      exec,
      destroySeconds: (destroy[0] ?? 0) / 1000,
    };
  } finally {
    await disposeAll(held, concurrency);
  }
}

async function execTrue(sandbox: Sandbox, signal: AbortSignal): Promise<void> {
  const { exitCode } = await sandbox.exec(command, { timeoutMs: 60_000, signal });
  if (exitCode !== 0) throw new Error(`true ended with ${exitCode} in ${sandbox.id}`);
}

/** Nothing goes on in the background when one of them failed. */
async function allOrFirstError(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

async function disposeAll(sandboxes: Sandbox[], concurrency: number): Promise<void> {
  const next = async () => {
    for (let sandbox = sandboxes.pop(); sandbox !== undefined; sandbox = sandboxes.pop()) {
      await sandbox[Symbol.asyncDispose]();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, next));
}

/** Proportional share of memory (PSS) of every process that descends from this one. */
function descendantsMb(): number {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    const stat = read(`/proc/${name}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const sum = (pid: number): number =>
    (children.get(pid) ?? []).reduce((total, child) => total + pssKb(child) + sum(child), 0);
  return sum(process.pid) / 1024;
}

function pssKb(pid: number): number {
  return Number(/^Pss: +(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

function availableMb(): number {
  return Number(/^MemAvailable: +(\d+)/m.exec(read("/proc/meminfo"))?.[1] ?? 0) / 1024;
}

/** "" for what ended while we looked. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
