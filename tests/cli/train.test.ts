import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { trainTable } from "../../src/cli/train-table.ts";
import { encodeWeights } from "../../src/tiny-policy/weights-file.ts";
import { loadCheckpoint } from "../../src/trainer/checkpoint.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";
import { toyPolicy } from "../support/toy-policy.ts";
import { RunningCli, runCli } from "./run-cli.ts";

vi.setConfig({ testTimeout: 60_000 });

const lesson = { tokens: [[1, 2, 5, 0]], masks: [[-100, -100, 5, 0]], scores: [1] };

async function prepare(directory: TemporaryDirectory) {
  await writeFile(join(directory.path, "toy.safetensors"), encodeWeights(toyPolicy()));
  await writeFile(join(directory.path, "groups.jsonl"), `${JSON.stringify(lesson)}\n`);
  return { cwd: directory.path };
}

const sft = ["train", "--mode", "sft", "--data", "groups.jsonl", "--weights", "toy.safetensors"];

test("sft from the command line, and on from its run's directory", async () => {
  await using directory = await TemporaryDirectory.make();
  const options = await prepare(directory);
  const first = await runCli([...sft, "--steps", "6", "--batch-size", "2", "--run-dir", "one"], options);
  expect([first.code, first.stdout.split("\n")[0]]).toEqual([0, "train sft ended after step 6"]);
  const lines = (await readFile(join(directory.path, "one/metrics.jsonl"), "utf8")).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).step)).toEqual([1, 2, 3, 4, 5, 6]);

  const second = await runCli(["train", "--resume", "one", "--steps", "9", "--run-dir", "two"], options);
  expect([second.code, second.stdout.split("\n")[0]]).toEqual([0, "train sft ended after step 9"]);
  const { learner } = await loadCheckpoint(join(directory.path, "two/checkpoints"));
  expect(learner.adam.steps).toBe(9);
});

test("Ctrl-C saves a checkpoint and leaves with 130", async () => {
  await using directory = await TemporaryDirectory.make();
  await using cli = new RunningCli(
    [...sft, "--steps", "1000000", "--run-dir", "run"],
    await prepare(directory),
  );
  await cli.says(/^step \d+/m);
  cli.signal("SIGINT");
  const { code, stdout, stderr } = await cli.end();
  expect([code, stderr]).toEqual([130, expect.stringContaining("Stopping: saving a checkpoint.")]);
  const [, step] = /stopped after step (\d+)/.exec(stdout) ?? [];
  expect((await loadCheckpoint(join(directory.path, "run/checkpoints"))).learner.policy.version).toBe(
    Number(step),
  );
});

test.each([
  [["--mode", "dpo"], "--mode: expected grpo or sft"],
  [["--mode", "sft"], "train.data: required, but not set"],
  [["--learning-rate", "0"], "--learning-rate: expected number > 0, got 0"],
  [["--mode", "sft", "--data", "x.jsonl", "--clip-low", "0.1"], "--clip-low: unknown key"],
])("%j is refused: %s", async (flags, words) => {
  await using directory = await TemporaryDirectory.make();
  const { code, stderr } = await runCli(["train", ...flags], { cwd: directory.path });
  expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
});

test("docs/trainers.md shows the keys as they are (npm run docs:cli)", async () => {
  const page = await readFile(new URL("../../docs/trainers.md", import.meta.url), "utf8");
  expect(page).toContain(trainTable());
});
