/** `sft-gen` and `dpo-gen` against a rollout API of our own, whose state they leave as it is. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { runEnvironmentCommand } from "../../src/cli/environment-main.ts";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { buildGroup } from "../../src/env/build-group.ts";
import { RolloutApiClient } from "../../src/rollout-api/client.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { startRolloutServer } from "../support/rollout-server.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";
import { memoryIo } from "./memory-io.ts";

vi.setConfig({ testTimeout: 60_000 });

const signal = new AbortController().signal;
await using model = await loadTokenizer("practice", { signal });
const { tokenizer } = model;

/** A prompt and an answer for each score; the prompt's text comes again in the answer. */
async function groupOf(number: number, scores: readonly number[], withPrompt = true): Promise<ScoredGroup> {
  const prompt = withPrompt ? `Say ${number}: ` : "";
  return buildGroup(
    await Promise.all(
      scores.map(async (score) => {
        const answer = `Say ${number}: ${number} is ü ${score}`;
        const before = await tokenizer.encode(prompt);
        const after = await tokenizer.encode(answer);
        return {
          tokens: [...before, ...after],
          masks: [...before.map(() => -100), ...after],
          score,
          messages: [
            { role: "user" as const, content: prompt },
            { role: "assistant" as const, content: answer },
          ],
        };
      }),
    ),
  );
}

async function run(...args: string[]) {
  const io = memoryIo();
  let said = "";
  const spy = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
  try {
    const code = await runEnvironmentCommand(args, io);
    const { stdout, stderr } = io.read();
    return { code, stdout, stderr: stderr + said };
  } finally {
    spy.mockRestore();
  }
}

const trainer = {
  wandb_group: "lab",
  wandb_project: "maths",
  batch_size: 4,
  max_token_len: 512,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 10,
};

/** Sends groups as an environment would, once the run is open. */
async function feed(client: RolloutApiClient, groups: readonly ScoredGroup[]): Promise<void> {
  await client.waitForTrainer({ signal });
  const { env_id } = await client.registerEnv(
    { max_token_length: 512, desired_name: "say", weight: 1, group_size: 2, min_batch_allocation: null },
    { signal },
  );
  for (const group of groups) await client.submitGroups([{ ...group, env_id }], { signal });
}

const readJson = async (path: string) =>
  (await readFile(path, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

const common = ["--tokenizer=practice", "--tasks-per-step=2", "--wait=20"];

test("sft-gen registers at a run without a trainer, splits text where the model began, and stops at the wanted line", async () => {
  await using directory = await TemporaryDirectory.make();
  await using server = await startRolloutServer();
  await using client = new RolloutApiClient({ url: server.url, pollIntervalMs: 20 });
  const groups = [
    await groupOf(1, [1, 0]),
    await groupOf(2, [0.25, 0.5], false),
    await groupOf(3, [1, -1]),
    await groupOf(4, [1, 0.5]),
  ];
  const file = join(directory.path, "sft.jsonl");
  const feeding = feed(client, groups);
  const { code, stdout, stderr } = await run(
    "sft-gen",
    file,
    `--api-url=${server.url}`,
    "--num-seqs-to-save=5",
    ...common,
  );
  await feeding;
  expect(code, stderr).toBe(0);
  expect(stdout).toContain("5 lines of");
  const lines = await readJson(file);
  expect(lines).toEqual([
    { prefix: "Say 1: ", completion: "Say 1: 1 is ü 1", score: 1 },
    { prefix: "", completion: "Say 2: 2 is ü 0.5", score: 0.5 },
    { prefix: "", completion: "Say 2: 2 is ü 0.25", score: 0.25 },
    { prefix: "Say 3: ", completion: "Say 3: 3 is ü 1", score: 1 },
    { prefix: "Say 4: ", completion: "Say 4: 4 is ü 1", score: 1 },
  ]);
  expect(await client.wandbInfo({ signal })).toEqual({ group: "lachesis", project: "sft-gen" });

  // An existing file is refused before the server is asked; more lines go behind its own ones, on its own run again.
  const refused = await run("sft-gen", file, "--api-url=http://127.0.0.1:9", ...common);
  expect(refused.stderr).toContain("EXAMPLES_FILE_EXISTS");
  await writeFile(file, `${await readFile(file, "utf8")}{"torn`);
  await client.submitGroups([await groupOf(5, [1, 0]), await groupOf(6, [1, 0])], { signal });
  const more = ["--num-seqs-to-save=1", "--append-to-previous", "--save-messages"];
  const added = await run("sft-gen", file, `--api-url=${server.url}`, ...more, ...common.slice(1));
  expect(added.code, added.stderr).toBe(0);
  expect((await readJson(file)).at(-1)).toEqual({
    messages: [
      { role: "user", content: "Say 5: " },
      { role: "assistant", content: "Say 5: 5 is ü 1" },
    ],
    score: 1,
  });
  expect(await readJson(file)).toHaveLength(6);
});

test("a run that has a trainer is left to it, unless --join says otherwise; then a batch is taken for good", async () => {
  await using directory = await TemporaryDirectory.make();
  await using server = await startRolloutServer();
  await using client = new RolloutApiClient({ url: server.url, pollIntervalMs: 20 });
  await client.register(trainer, { signal });
  await client.batch({ signal });
  await feed(client, [
    await groupOf(1, [1, 0]),
    await groupOf(2, [1, 0]),
    await groupOf(3, [1, 0]),
    await groupOf(4, [1, 0]),
  ]);
  const file = join(directory.path, "dpo.jsonl");
  const args = ["dpo-gen", file, `--api-url=${server.url}`, "--num-seqs-to-save=2", ...common];
  const refused = await run(...args);
  expect(refused.stderr).toContain("ROLLOUT_RUN_TAKEN");
  expect(refused.stderr).toContain("runs/dpo-gen");
  expect(await readdir(directory.path)).toEqual([]);

  const joined = await run(...args, "--join");
  expect(joined.code, joined.stderr).toBe(0);
  expect(await readJson(file)).toEqual([
    { prefix: "Say 1: ", pos: "Say 1: 1 is ü 1", score: 1, neg: "Say 1: 1 is ü 0" },
    { prefix: "Say 2: ", pos: "Say 2: 2 is ü 1", score: 1, neg: "Say 2: 2 is ü 0" },
  ]);
  expect(await client.wandbInfo({ signal })).toEqual({ group: "lab", project: "maths" });
  const rest = await client.batch({ signal });
  expect(rest?.map(({ tokens }) => tokenizer.decode(tokens[0]?.slice(0, 3) ?? []))).toHaveLength(2);
  expect(await client.batch({ signal })).toBeNull();
});

test("what can't be made into lines gives the batch back", async () => {
  await using directory = await TemporaryDirectory.make();
  await using server = await startRolloutServer();
  await using client = new RolloutApiClient({ url: server.url, pollIntervalMs: 20 });
  const silent = { ...(await groupOf(1, [1, 0])), messages: null };
  const feeding = feed(client, [silent, silent]);
  const file = join(directory.path, "sft.jsonl");
  const { stderr } = await run("sft-gen", file, `--api-url=${server.url}`, "--save-messages", ...common);
  await feeding;
  expect(stderr).toContain("EXPORT_IMPOSSIBLE");
  expect(await client.batch({ signal })).toHaveLength(2);
  expect(await readdir(directory.path)).toEqual([]);

  const nothing = await run("sft-gen", file, `--api-url=${server.url}`, "--save-messages", "--wait=1");
  expect(nothing.stderr).toContain("EXAMPLES_MISSING");
});

test("--wait holds for a server that isn't there, too, and says that it is waited for", async () => {
  await using directory = await TemporaryDirectory.make();
  const file = join(directory.path, "sft.jsonl");
  const { code, stderr } = await run(
    "sft-gen",
    file,
    "--api-url=http://127.0.0.1:9",
    "--save-messages",
    "--wait=1",
  );
  expect(stderr).toMatch(/Waiting for the rollout API\. .*127\.0\.0\.1:9/);
  expect(stderr).toContain("EXAMPLES_MISSING");
  expect(code).toBe(1);
  expect(await readdir(directory.path)).toEqual([]);
});
