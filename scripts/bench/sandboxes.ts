/**
 * What sandboxes cost on this machine: latency of create, exec and destroy one at a time, and whole rollouts
 * (create, three commands, destroy) per second at several concurrencies. A plain spawn of the same command in
 * the same run is the measure to compare with. Run: npx node scripts/bench/sandboxes.ts [rollouts]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createBackend } from "../../backends/index.ts";
import type { Sandbox, SandboxBackend } from "../../src/contracts/sandbox.ts";

const rollouts = Number(process.argv[2] ?? 200);
const signal = new AbortController().signal;
const command = { argv: ["/bin/true"] as const };

function percentile(samplesMs: readonly number[], fraction: number): number {
  const sorted = samplesMs.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

async function timed<T>(samplesMs: number[], work: () => Promise<T>): Promise<T> {
  const startedAtMs = performance.now();
  const result = await work();
  samplesMs.push(performance.now() - startedAtMs);
  return result;
}

async function execTrue(sandbox: Sandbox): Promise<void> {
  const { exitCode } = await sandbox.exec(command, { timeoutMs: 30_000, signal });
  if (exitCode !== 0) throw new Error(`true ended with ${exitCode}`);
}

async function spawnPlain(): Promise<void> {
  await once(spawn(command.argv[0], [], { stdio: "ignore" }), "close");
}

async function playRollout(backend: SandboxBackend): Promise<void> {
  await using sandbox = await backend.create({ rolloutId: "bench", signal });
  for (let turn = 0; turn < 3; turn += 1) await execTrue(sandbox);
}

async function perSecond(count: number, concurrency: number, play: () => Promise<void>): Promise<number> {
  let left = count;
  const startedAtMs = performance.now();
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await play();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return count / ((performance.now() - startedAtMs) / 1_000);
}

function row(name: string, samplesMs: readonly number[], baselineMs: number): void {
  const [median, high] = [percentile(samplesMs, 0.5), percentile(samplesMs, 0.95)];
  const ratio = (median / baselineMs).toFixed(1);
  console.log(
    `${name.padEnd(22)} ${median.toFixed(2).padStart(8)} ${high.toFixed(2).padStart(8)} ${ratio.padStart(7)}×`,
  );
}

const plainMs: number[] = [];
for (let round = 0; round < 100; round += 1) await timed(plainMs, spawnPlain);
const baselineMs = percentile(plainMs, 0.5);
console.log(`${"ms".padEnd(22)} ${"median".padStart(8)} ${"p95".padStart(8)} ${"/spawn".padStart(8)}`);
row("plain spawn of true", plainMs, baselineMs);

for (const isolation of ["bubblewrap", "none"]) {
  await using backend = createBackend("local", { isolation });
  await backend.check({ signal });
  const createMs: number[] = [];
  const execMs: number[] = [];
  const destroyMs: number[] = [];
  for (let round = 0; round < 40; round += 1) {
    const sandbox = await timed(createMs, () => backend.create({ rolloutId: "bench", signal }));
    for (let turn = 0; turn < 5; turn += 1) await timed(execMs, () => execTrue(sandbox));
    await timed(destroyMs, async () => sandbox[Symbol.asyncDispose]());
  }
  row(`${isolation} create`, createMs, baselineMs);
  row(`${isolation} exec true`, execMs, baselineMs);
  row(`${isolation} destroy`, destroyMs, baselineMs);
  for (const concurrency of [1, 4, 16]) {
    const rate = await perSecond(rollouts, concurrency, () => playRollout(backend));
    console.log(
      `${isolation}: ${rate.toFixed(0)} rollouts/s at concurrency ${concurrency} (create, 3 × true, destroy)`,
    );
  }
}
