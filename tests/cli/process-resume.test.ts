/** `process --resume`: a real process that is killed at any moment, and what its files hold in the end. */
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { RunningCli, runCli } from "./run-cli.ts";

vi.setConfig({ testTimeout: 240_000 });

const root = resolve(import.meta.dirname, "../..");
let cwd = "";

/** Makes its groups by itself, each in a few milliseconds; every fifth item comes to nothing. */
const environment = `
import { BaseEnv } from ${JSON.stringify(join(root, "src/env/base-env.ts"))};
import { buildGroup } from ${JSON.stringify(join(root, "src/env/build-group.ts"))};
import { baseEnvConfig } from ${JSON.stringify(join(root, "src/env/env-config.ts"))};
export default class CountingEnv extends BaseEnv {
  static envName = "counting";
  static description = "Counts";
  static configSchema = baseEnvConfig;
  next = 0;
  async getNextItem() { return { number: this.next++, seed: this.config.seed }; }
  async collectGroup({ number }) {
    await new Promise((done) => setTimeout(done, 5 + Math.random() * 40));
    const messages = [{ role: "user", content: "q" + number }, { role: "assistant", content: "a" }];
    const group = buildGroup([0, number % 5].map((score) => ({ tokens: [number], masks: [number], score, messages })));
    return { kind: "collected", group };
  }
}
`;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "lachesis-resume-"));
  await writeFile(join(cwd, "counting.ts"), environment);
});
afterAll(() => rm(cwd, { recursive: true, force: true }));

const play = (runDir: string, ...flags: string[]) => [
  "process",
  "./counting.ts",
  "--openai.base_url=http://127.0.0.1:9/v1",
  "--env.group_size=2",
  "--env.ensure_scores_are_not_same",
  `--env.data_path_to_save_groups=${runDir}.jsonl`,
  `--run-dir=${runDir}`,
  ...flags,
];

type Line = { tokens: number[][]; provenance: { item_number: number } };

async function readLines(path: string): Promise<Line[]> {
  const text = await readFile(join(cwd, path), "utf8").catch(() => "");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

test("killed again and again and resumed, a run has each item exactly once and the files of an undisturbed one", async () => {
  const total = 120;
  const flags = [
    `--env.total_steps=${total}`,
    "--env.max_num_workers=4",
    "--format=atropos,openai,sft.parquet",
  ];
  let args = play("killed", ...flags);
  let kills = 0;
  for (let attempt = 0; attempt < 6; attempt++) {
    const before = (await readLines("killed.jsonl")).length;
    const cli = new RunningCli(args, { cwd });
    // Sometimes before it has begun, sometimes in the middle of its groups.
    if (attempt === 1) await sleep(Math.random() * 1500);
    else while ((await readLines("killed.jsonl")).length < before + 5 + Math.random() * 15) await sleep(5);
    cli.signal("SIGKILL");
    await cli.end();
    kills += 1;
    args = ["process", "--resume=killed"];
  }
  expect((await readLines("killed.jsonl")).length).toBeLessThan(total);
  await appendFile(join(cwd, "killed.jsonl"), '{"tokens":[[1],[1]],"masks":[[1');
  const { code, stdout, stderr } = await runCli(args, { cwd });
  expect(stderr).not.toContain("Error");
  expect(code, stderr).toBe(0);
  expect(stdout).toContain(`${total} groups in ${join(cwd, "killed.jsonl")}`);

  const undisturbed = await runCli(play("whole", ...flags), { cwd });
  expect(undisturbed.code, undisturbed.stderr).toBe(0);
  const numbers = async (path: string) =>
    (await readLines(path)).map(({ provenance }) => provenance.item_number).toSorted((a, b) => a - b);
  const killed = await numbers("killed.jsonl");
  expect(new Set(killed).size).toBe(total);
  expect(killed).toHaveLength(total);
  expect(killed).toEqual(await numbers("whole.jsonl"));
  expect(killed).not.toContain(5);
  expect(await readLines("killed.openai.jsonl")).toHaveLength(2 * total);
  expect(kills).toBe(6);
});

test("files that can't be made take no group with them: the run is resumed, and plays nothing again", async () => {
  await mkdir(join(cwd, "full.html.part"));
  const failed = await runCli(play("full", "--env.total_steps=3"), { cwd });
  expect(failed.stderr).toContain("OUTPUT_UNWRITABLE");
  expect(failed.stderr).toContain("Saved 3 groups in full.jsonl");
  expect(failed.stderr).toContain("--resume full");
  const groups = await readLines("full.jsonl");
  await rm(join(cwd, "full.html.part"), { recursive: true });
  const resumed = await runCli(["process", "--resume=full"], { cwd });
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(await readLines("full.jsonl")).toEqual(groups);
  expect(await readFile(join(cwd, "full.html"), "utf8")).toContain("3 groups, 6 samples");
});

test("another dataset, another configuration, a run of something else and a second process are refused", async () => {
  const begun = await runCli(play("small", "--env.total_steps=3"), { cwd });
  expect(begun.code, begun.stderr).toBe(0);
  const more = await runCli(["process", "--resume=small", "--env.total_steps=5"], { cwd });
  expect(more.code, more.stderr).toBe(0);
  expect(await readLines("small.jsonl")).toHaveLength(5);
  expect(await readFile(join(cwd, "small.html"), "utf8")).toContain("5 groups, 10 samples");

  const otherSeed = await runCli(["process", "--resume=small", "--env.seed=7"], { cwd });
  expect(otherSeed.stderr).toContain("RESUME_REFUSED");
  expect(otherSeed.stderr).toContain("--env.seed");
  const formats = await runCli(["process", "--resume=small", "--format=openai"], { cwd });
  expect(formats.stderr).toContain("environment convert");
  const nothing = await runCli(["process", "--resume=nowhere"], { cwd });
  expect(nothing.stderr).toContain("RESUME_REFUSED");

  await writeFile(join(cwd, "counting.ts"), environment.replace("seed: this.config.seed", "seed: 99"));
  const otherItems = await runCli(["process", "--resume=small", "--env.total_steps=9"], { cwd });
  await writeFile(join(cwd, "counting.ts"), environment);
  expect(otherItems.stderr).toContain("RESUME_REFUSED");
  expect(otherItems.stderr).toContain("item 1 of the run was another");

  const endless = ["process", "--resume=small", "--env.total_steps=-1"];
  await using first = new RunningCli(endless, { cwd });
  while ((await readLines("small.jsonl")).length < 7) await sleep(20);
  const second = await runCli(endless, { cwd });
  expect(second.stderr).toContain("RUN_LOCKED");
  first.signal("SIGINT");
  await first.end();
});
