/**
 * Evaluates against a practice server: once undisturbed, then again and again with a `kill -9` at a random moment and
 * `--resume`. What counts is that the samples are the same in the end, and that none was played twice.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Gsm8kTeacher, readGsm8kProblems } from "../../environments/gsm8k-agent-teacher.ts";
import { bundledProblems } from "../../environments/gsm8k-bundled.ts";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { startPracticeServer } from "../../src/practice/practice-server.ts";
import { seededRandom } from "../../src/practice/seeded-random.ts";

const environment = fileURLToPath(new URL("../../src/cli/environment.ts", import.meta.url));

export type ResumeTestOptions = {
  /** Evaluations that are killed and resumed. */
  rounds: number;
  items: number;
  samplesPerItem: number;
  seed: number;
  directory: string;
  signal: AbortSignal;
  onRound?(round: ResumeRound): void;
};

export type ResumeRound = {
  /** False where the evaluation had ended before. */
  killed: boolean;
  /** Whole lines that the killed process left, and whether a torn one followed. */
  left: number;
  torn: boolean;
  /** Samples that the resuming process played. */
  playedAgain: number;
  same: boolean;
};

/** Rejects when an undisturbed or a resumed evaluation ends with an error. */
export async function runResumeTest(options: ResumeTestOptions): Promise<ResumeRound[]> {
  const { rounds, items, samplesPerItem, seed, directory, signal, onRound } = options;
  const { rows: problems } = await readGsm8kProblems(Object.values(bundledProblems), { signal });
  await using practice = await startPracticeServer({
    teacher: new Gsm8kTeacher(problems),
    config: practiceConfig.parse({ error_rate: 0.4, latency_ms: 15, seed }),
  });
  const random = seededRandom(seed);
  const flags = [
    ...["evaluate", "gsm8k-agent", "--openai.base_url", practice.url, "--env.terminal_isolation", "none"],
    ...["--n", String(samplesPerItem), "--limit", String(items), "--env.eval_temperature", "1"],
  ];
  const start = (more: readonly string[]) => new Evaluation([...flags, ...more], directory);

  await start(["--run-dir", "undisturbed"]).end(signal);
  const expected = await finalSamples(join(directory, "undisturbed"));

  const results: ResumeRound[] = [];
  for (let number = 1; number <= rounds; number++) {
    const name = `killed-${number}`;
    const run = start(["--run-dir", name]);
    // Starting takes longer than playing: a moment of the playing is drawn, and a little time on top.
    const enough = Math.floor(random() * items * samplesPerItem);
    const isDue = async () => (await leftSamples(join(directory, name))).left >= enough;
    const killed = await run.killWhen(isDue, { jitterMs: random() * 40, signal });
    const { left, torn, ids } = await leftSamples(join(directory, name));
    const hasBegun = await exists(join(directory, name, "config.yaml"));
    const where = hasBegun ? ["--resume", name] : ["--run-dir", `${name}-anew`];
    await start(where).end(signal);
    const final = hasBegun ? name : `${name}-anew`;
    const samples = await finalSamples(join(directory, final));
    const round: ResumeRound = {
      killed,
      left,
      torn,
      playedAgain: samples.length - ids.size,
      same: JSON.stringify(samples) === JSON.stringify(expected) && samples.length === items * samplesPerItem,
    };
    results.push(round);
    onRound?.(round);
  }
  return results;
}

/** The command line in a process of its own. */
class Evaluation {
  readonly #child;
  readonly #ended: Promise<unknown[]>;
  #said = "";

  constructor(args: readonly string[], cwd: string) {
    this.#child = spawn(process.execPath, [environment, ...args], {
      cwd,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child.stderr.on("data", (chunk) => {
      this.#said += String(chunk);
    });
    this.#ended = once(this.#child, "close");
  }

  async end(signal: AbortSignal): Promise<void> {
    const stop = () => this.#child.kill("SIGKILL");
    signal.addEventListener("abort", stop);
    await this.#ended;
    signal.removeEventListener("abort", stop);
    signal.throwIfAborted();
    if (this.#child.exitCode !== 0)
      throw new Error(`evaluate ended with ${this.#child.exitCode}:\n${this.#said}`);
  }

  /** False where it had ended before. */
  async killWhen(
    isDue: () => Promise<boolean>,
    { jitterMs, signal }: { jitterMs: number; signal: AbortSignal },
  ): Promise<boolean> {
    const hasEnded = () => this.#child.exitCode !== null || this.#child.signalCode !== null;
    while (!hasEnded() && !signal.aborted && !(await isDue())) await sleep(10);
    await sleep(jitterMs);
    const isRunning = !hasEnded();
    this.#child.kill("SIGKILL");
    await this.#ended;
    signal.throwIfAborted();
    return isRunning;
  }
}

/** Without what differs from run to run by its nature. */
async function finalSamples(directory: string): Promise<unknown[]> {
  const lines = (await readFile(join(directory, "samples.jsonl"), "utf8")).trimEnd().split("\n");
  return lines.map((line) => ({ ...JSON.parse(line), timing: null }));
}

async function leftSamples(directory: string): Promise<{ left: number; torn: boolean; ids: Set<string> }> {
  const text = (await exists(join(directory, "samples.jsonl")))
    ? await readFile(join(directory, "samples.jsonl"), "utf8")
    : "";
  const lines = text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1);
  const ids = lines.map((line) => {
    const { item_id: itemId, sample } = JSON.parse(line);
    return `${itemId}.${sample}`;
  });
  return { left: lines.length, torn: !text.endsWith("\n") && text !== "", ids: new Set(ids) };
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
