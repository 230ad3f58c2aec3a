/** evaluate, compare and rescore as processes of their own, against a practice server that heeds seeds. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Gsm8kTeacher, readGsm8kProblems } from "../../environments/gsm8k-agent-teacher.ts";
import { bundledProblems } from "../../environments/gsm8k-bundled.ts";
import { runResumeTest } from "../../scripts/resume-test/resume-run.ts";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { type RunningPracticeServer, startPracticeServer } from "../../src/practice/practice-server.ts";
import { runCli } from "./run-cli.ts";

// Each test starts real processes and sandboxes, on machines that do other work too.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let cwd = "";
let practice: RunningPracticeServer;
const cli = (...args: string[]) => runCli(args, { cwd });
const evaluate = (...flags: string[]) =>
  cli(
    ...["evaluate", "gsm8k-agent", "--openai.base_url", practice.url, "--env.terminal_isolation=none"],
    ...["--env.eval_temperature=1", "--limit", "3", "--n", "2", ...flags],
  );
const readJson = async (path: string) => JSON.parse(await readFile(join(cwd, path), "utf8"));

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "lachesis-evaluate-"));
  const signal = AbortSignal.timeout(10_000);
  const { rows: problems } = await readGsm8kProblems(Object.values(bundledProblems), { signal });
  practice = await startPracticeServer({
    teacher: new Gsm8kTeacher(problems),
    config: practiceConfig.parse({ error_rate: 0.5 }),
  });
  const { code, stderr } = await evaluate("--run-dir", "first");
  expect(code, stderr).toBe(0);
});

afterAll(async () => {
  await practice?.close();
  await rm(cwd, { recursive: true, force: true });
});

test("after kill -9 at a random moment and --resume the samples are those of an undisturbed evaluation", async () => {
  const directory = await mkdtemp(join(cwd, "resume-"));
  const signal = AbortSignal.timeout(230_000);
  const rounds = await runResumeTest({ rounds: 2, items: 4, samplesPerItem: 2, seed: 5, directory, signal });
  expect(rounds.map(({ same }) => same)).toEqual([true, true]);
  expect(rounds.some(({ killed }) => killed)).toBe(true);
});

test("the summary says what metrics.json says, in few lines", async () => {
  await writeFile(join(cwd, "prices.yaml"), "default: { in: 1, out: 2 }\n");
  const { code, stdout, stderr } = await cli(
    "evaluate",
    "gsm8k-agent",
    "--resume",
    "first",
    "--price-table",
    "prices.yaml",
  );
  expect(code, stderr).toBe(0);
  const { all } = (await readJson("first/metrics.json")).results;
  expect(stdout).toContain(`pass@2    ${all["eval/pass@2"].toFixed(4)}`);
  expect(stdout).toMatch(/samples +6 scored of 3 items × 2\n/);
  expect(stdout).toMatch(/tokens +[\d,]+ in, [\d,]+ out; cost 0\.0\d+/);
  expect(stdout).toMatch(/time +[\d.]+ s a sample: model \d+ %, tool \d+ %, sandbox \d+ %, reward \d+ %/);
  expect(all["eval/cost"]).toBeCloseTo(
    (all["eval/prompt_tokens"] + 2 * all["eval/completion_tokens"]) / 1e6,
    12,
  );
});

test("another configuration is refused with the keys that differ, what doesn't matter is named", async () => {
  const refused = await evaluate("--resume", "first", "--env.eval_temperature=0.5", "--limit", "2");
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(
    /EVALUATION_DIFFERS[\s\S]*env\.eval_temperature was 1 and is 0\.5[\s\S]*--limit was 3 and is 2/,
  );
  const other = await cli("evaluate", "games", "--resume", "first");
  expect(other.stderr).toContain("EVALUATION_DIFFERS: first is an evaluation of gsm8k-agent, not of games.");
  const taken = await evaluate("--resume", "first", "--env.max_eval_workers=2", "--env.worker_timeout=77");
  expect(taken.code, taken.stderr).toBe(0);
  expect(taken.stderr).toContain("Resumed with other values of env.max_eval_workers, env.worker_timeout");
});

test.each([
  [["--resume", "nowhere"], "EVALUATION_FILE_INVALID"],
  [["--k", "0,1"], "whole numbers from 1"],
  [["--k", "1,3"], "CONFIG_INVALID"],
  [["--items", "77"], "USAGE_INVALID"],
  [["--price-table", "nowhere.yaml"], "CONFIG_INVALID"],
])("%j ends with %s", async (flags, code) => {
  const { code: exitCode, stderr } = await evaluate(...flags);
  expect(stderr).toContain(code);
  expect(exitCode).toBe(2);
});

test("rescore writes another evaluation, compare says the change and ends with 1 where told to", async () => {
  const overwriting = await cli("rescore", "first", "--reward", "format", "--out", "first");
  expect(overwriting.stderr).toContain("holds an evaluation that was played");
  const constant = "{type: constant_score}";
  const unknown = await cli("rescore", "first", "--reward", constant);
  expect(unknown.stderr).toContain("REWARD_UNKNOWN");

  const { code, stdout, stderr } = await cli(
    ...[
      "rescore",
      "first",
      "--out",
      "second",
      "--reward",
      "{type: accuracy, weight: 0.25, params: {answer_field: gold}}",
    ],
    ...["--correct-from", "0.25"],
  );
  expect(code, stderr).toBe(0);
  expect(stdout).toContain("6 samples in second/samples.jsonl");
  const before = (await readJson("first/metrics.json")).results.all;
  const after = (await readJson("second/metrics.json")).results.all;
  expect(after["eval/accuracy"]).toBe(before["eval/accuracy"]);
  expect(after["eval/mean_reward"]).toBeCloseTo(before["eval/mean_reward"] / 4, 12);
  expect((await readJson("second/evaluation.json")).rescored).toMatchObject({ from: "first" });

  const compared = await cli(
    "compare",
    "first",
    "second",
    "--metric",
    "reward",
    "--fail-drop",
    "0.01",
    "--json",
  );
  expect(compared.code).toBe(1);
  const comparison = JSON.parse(compared.stdout);
  expect(comparison.difference.mean).toBeCloseTo(-0.75 * before["eval/mean_reward"], 12);
  expect(comparison.failures).toHaveLength(1);
  expect((await cli("compare", "first", "second", "--fail-drop", "0.01")).code).toBe(0);
  for (const misuse of [["--confident"], ["--fail-drop", "-1"]]) {
    expect((await cli("compare", "first", "second", ...misuse)).code).toBe(2);
  }
  const nothing = await cli("compare", "first", "nowhere", "--fail-drop", "0.01");
  expect(nothing.code).toBe(2);
  expect(nothing.stderr).toContain("EVALUATION_FILE_INVALID: nowhere");
  expect((await cli("evaluate", "gsm8k-agent", "--resume", "second")).stderr).toContain("made by rescore");
});
