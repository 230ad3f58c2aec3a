import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { JsonObject } from "../../src/contracts/chat.ts";
import { EvaluationRecorder } from "../../src/data/evaluation-recorder.ts";
import { itemAsJson, readEvaluation } from "../../src/data/evaluation-records.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "evaluation-recorder-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const recorder = (resume = false) =>
  new EvaluationRecorder({ directory, resume, environment: "sums", model: "m", config: null });
const header = {
  samples_per_item: 2,
  pass_k: [1, 2],
  correct_from: 1,
  generation_parameters: {},
  selection: { limit: null, items: null, shuffle_seed: null },
};
const item = (index: number, content: unknown = { index }, scope = "") => ({
  item_id: `${scope}${index}`,
  index,
  ...itemAsJson(content),
});
const sample = (index: number, number: number, score: number | null = 1): JsonObject => ({
  index,
  item_id: String(index),
  sample: number,
  zeta: "kept where it stands",
  outcome: score === null ? "infra-failed" : "scored",
  score,
  correct: score === null ? null : score >= 1,
});
const path = (name: string) => join(directory, name);

async function write(...samples: JsonObject[]): Promise<void> {
  await using written = recorder();
  await written.begin(header, [item(0), item(1)]);
  for (const each of samples) await written.add(each);
}

test("samples are on disk as soon as they are added, and come back as they were", async () => {
  await using written = recorder();
  expect((await written.begin(header, [item(0), item(1)])).size).toBe(0);
  await written.add(sample(1, 0));
  expect(await readFile(path("samples.jsonl"), "utf8")).toBe(`${JSON.stringify(sample(1, 0))}\n`);
  await written.add(sample(0, 1));
  const saved = await readEvaluation(directory);
  expect(saved?.header).toMatchObject({ format: 1, environment: "sums", samples_per_item: 2 });
  expect(saved?.items.map(({ item: content }) => content)).toEqual([{ index: 0 }, { index: 1 }]);
  expect(JSON.stringify(saved?.samples)).toBe(JSON.stringify([sample(0, 1), sample(1, 0)]));
});

test("what has a score need not be played again, what failed is owed", async () => {
  await write(sample(0, 0), sample(0, 1, null), sample(1, 1, 0));
  await using resumed = recorder(true);
  const kept = await resumed.begin(header, [item(0), item(1)]);
  expect([...kept.values()]).toEqual([sample(0, 0), sample(1, 1, 0)]);
  await resumed.add(sample(0, 1, 1));
  expect((await readEvaluation(directory))?.samples).toEqual([
    sample(0, 0),
    sample(0, 1, 1),
    sample(1, 1, 0),
  ]);
});

test("a line that a crash tore is cut off, and its sample is owed", async () => {
  await write(sample(0, 0));
  await appendFile(path("samples.jsonl"), JSON.stringify(sample(1, 0)).slice(0, -9));
  await using resumed = recorder(true);
  expect((await resumed.begin(header, [item(0), item(1)])).size).toBe(1);
  await resumed.add(sample(1, 0));
  const lines = (await readFile(path("samples.jsonl"), "utf8")).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([sample(0, 0), sample(1, 0)]);
});

test.each([
  ["{broken", /samples\.jsonl:2: this is no JSON/],
  ['{"item_id":"0"}', /samples\.jsonl:2: .*index/],
  [JSON.stringify({ ...sample(0, 0), item_id: "9" }), /samples\.jsonl:2: a sample of the item "9"/],
])("a broken line in the middle is told with its place: %s", async (line, message) => {
  await write(sample(0, 0));
  await appendFile(path("samples.jsonl"), `${line}\n${JSON.stringify(sample(1, 0))}\n`);
  await using resumed = recorder(true);
  await expect(resumed.begin(header, [item(0), item(1)])).rejects.toMatchObject({
    code: "EVALUATION_FILE_INVALID",
    message: expect.stringMatching(message),
  });
});

test("a broken evaluation.json is told, a missing one is no evaluation", async () => {
  expect(await readEvaluation(directory)).toBeNull();
  await writeFile(path("evaluation.json"), '{"format": 2}');
  await expect(readEvaluation(directory)).rejects.toMatchObject({ code: "EVALUATION_FILE_INVALID" });
});

test("samples without their items are told, and a broken line with what comes of taking it out", async () => {
  await write(sample(0, 0));
  await appendFile(path("samples.jsonl"), "{broken\n");
  await expect(readEvaluation(directory)).rejects.toMatchObject({
    code: "EVALUATION_FILE_INVALID",
    message: expect.stringContaining("samples.jsonl:2: this is no JSON"),
    hint: expect.stringContaining("plays its sample again"),
  });
  await rm(path("items.jsonl"));
  await expect(readEvaluation(directory)).rejects.toThrow(/items\.jsonl: the file is missing/);
});

test("other items are refused, and nothing is lost by it", async () => {
  await write(sample(0, 0));
  for (const [items, message] of [
    [[item(0), item(1, { index: "another" })], /1 changed \(1\)/],
    [[item(0)], /1 are gone \(1\)/],
    [[item(0), item(1), item(2)], /1 are new \(2\)/],
  ] as const) {
    await using resumed = recorder(true);
    await expect(resumed.begin(header, items)).rejects.toMatchObject({
      code: "EVALUATION_DIFFERS",
      message: expect.stringMatching(message),
    });
  }
  expect((await readEvaluation(directory))?.samples).toEqual([sample(0, 0)]);
});

test("a second process is kept out", async () => {
  await using first = recorder();
  await first.begin(header, [item(0)]);
  await using second = recorder(true);
  await expect(second.begin(header, [item(0)])).rejects.toMatchObject({ code: "RUN_LOCKED" });
});

test("starting anew leaves nothing of what was there", async () => {
  await write(sample(0, 0));
  await writeFile(path("metrics.json"), "{}");
  await using anew = recorder();
  await anew.begin(header, [item(0)]);
  expect(await readFile(path("samples.jsonl"), "utf8")).toBe("");
  await expect(readFile(path("metrics.json"))).rejects.toThrow(/ENOENT/);
});

test("an evaluation in parts keeps the parts apart, and says so where they are not named", async () => {
  {
    await using written = recorder();
    await written.begin(header, [item(0, {}, "a/")], { scope: "a/" });
    await written.begin(header, [item(0, {}, "b/")], { scope: "b/" });
    await written.add({ ...sample(0, 0), item_id: "b/0" });
    await expect(written.begin(header, [item(0, {}, "b/")])).rejects.toMatchObject({ code: "ENV_FAILED" });
  }
  await using resumed = recorder(true);
  expect((await resumed.begin(header, [item(0, {}, "a/")], { scope: "a/" })).size).toBe(0);
  expect((await resumed.begin(header, [item(0, {}, "b/")], { scope: "b/" })).size).toBe(1);
});
