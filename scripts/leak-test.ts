/**
 * Plays rollouts of terminal-test by the practice server, cancels some, kills the playing process with SIGKILL in
 * between, starts it again, and lists what the machine has afterwards and had not before. Ends with 1 if anything
 * is left, or a rollout failed for no fault of the model. Files and sockets that others make meanwhile count as left, too.
 *
 * Run: npx node scripts/leak-test.ts --backend local --rollouts 1000 --kills 2
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { TerminalTestTeacher } from "../environments/terminal-test-teacher.ts";
import { practiceConfig } from "../src/practice/practice-config.ts";
import { startPracticeServer } from "../src/practice/practice-server.ts";
import { loadTokenizer } from "../src/tokens/load-tokenizer.ts";
import { type Inventory, kinds, newSince, takeInventory } from "./leak-test/inventory.ts";

const { values } = parseArgs({
  options: {
    backend: { type: "string", default: "local" },
    rollouts: { type: "string", default: "1000" },
    concurrency: { type: "string", default: "16" },
    kills: { type: "string", default: "2" },
    "cancel-rate": { type: "string", default: "0.2" },
    seed: { type: "string", default: "1" },
    /** Keys of the environment, as key=value; may be repeated. */
    env: { type: "string", multiple: true, default: [] },
  },
});
const [rollouts, kills, seed] = [values.rollouts, values.kills, values.seed].map(Number) as [
  number,
  number,
  number,
];
const docker = values.backend === "docker";
/** Until zombies are reaped and the kernel has let go of what was killed. */
const settleMs = 30_000;

const counts: Record<string, number> = { scored: 0, cancelled: 0, "infra-failed": 0 };
const failures: string[] = [];
const ended = () => Object.values(counts).reduce((sum, count) => sum + count, 0);
const endLine = z.object({ kind: z.string(), error: z.string().optional() });

async function main(): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), "lachesis-leak-"));
  const startedAt = performance.now();
  let before: Inventory;
  try {
    const { signal } = new AbortController();
    await using model = await loadTokenizer("practice", { signal });
    await using server = await startPracticeServer({
      teacher: new TerminalTestTeacher(),
      config: practiceConfig.parse({ error_rate: 0.3, seed }),
      model,
      host: "127.0.0.1",
      port: 0,
    });
    // The daemon's own groups and directories come with its first container, and stay.
    if (docker) await play(server.url, directory, { count: 2, killAfter: null, part: 0 });
    Object.assign(counts, { scored: 0, cancelled: 0, "infra-failed": 0 });
    before = await takeInventory({ docker });
    for (let part = 1; part <= kills; part += 1) {
      const killAfter = Math.floor((rollouts * part) / (kills + 1)) - ended();
      await play(server.url, directory, { count: rollouts - ended(), killAfter, part });
    }
    await play(server.url, directory, { count: rollouts - ended(), killAfter: null, part: kills + 1 });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { after, left } = await settled(before);
  report(before, after, left, seconds);
  return (
    kinds.every((kind) => left[kind].length === 0) && counts["infra-failed"] === 0 && ended() >= rollouts
  );
}

/** One process that plays so many rollouts, or is killed when `killAfter` of them have ended. */
async function play(
  url: string,
  runDirectory: string,
  { count, killAfter, part }: { count: number; killAfter: number | null; part: number },
): Promise<void> {
  const options = {
    url,
    rollouts: count,
    concurrency: Number(values.concurrency),
    cancelRate: Number(values["cancel-rate"]),
    cancelWithinMs: docker ? 600 : 150,
    seed: seed * 1000 + part,
    runDirectory,
    env: { terminal_backend: values.backend, ...extraKeys() },
  };
  const script = new URL("leak-test/play-rollouts.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let ofThis = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const { kind, error } = endLine.parse(JSON.parse(line));
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (error !== undefined) failures.push(error);
    ofThis += 1;
    if (ofThis === killAfter) child.kill("SIGKILL");
  }
  const [code, signal] = await exited;
  if (killAfter === null ? code !== 0 : signal !== "SIGKILL") {
    throw new Error(`process ${part} ended with ${code ?? signal}, after ${ofThis} rollouts`);
  }
}

function extraKeys(): Record<string, unknown> {
  return Object.fromEntries(
    values.env.map((pair) => {
      const [key = "", ...rest] = pair.split("=");
      const text = rest.join("=");
      try {
        return [key, JSON.parse(text)];
      } catch {
        return [key, text];
      }
    }),
  );
}

async function settled(before: Inventory) {
  const deadline = Date.now() + settleMs;
  for (;;) {
    const after = await takeInventory({ docker, since: before });
    const left = newSince(before, after);
    if (kinds.every((kind) => left[kind].length === 0) || Date.now() > deadline) return { after, left };
    await sleep(500);
  }
}

function report(
  before: Inventory,
  after: Inventory,
  left: ReturnType<typeof newSince>,
  seconds: number,
): void {
  console.log(
    `${values.backend}: ${ended()} rollouts in ${seconds.toFixed(1)} s (${counts.scored} scored, ${counts.cancelled} cancelled, ` +
      `${counts["infra-failed"]} failed), ${kills} times killed in between`,
  );
  console.log(["", "before", "after", "left"].map((word) => word.padEnd(12)).join(""));
  for (const kind of kinds) {
    const row = [kind, before[kind].size, after[kind].size, left[kind].length];
    console.log(row.map((cell) => String(cell).padEnd(12)).join(""));
    for (const what of left[kind].slice(0, 10)) console.log(`  left: ${what}`);
  }
  for (const failure of new Set(failures)) console.log(`failed: ${failure}`);
}

const isClean = await main();
console.log(isClean ? "nothing is left" : "BROKEN: see above");
process.exitCode = isClean ? 0 : 1;
