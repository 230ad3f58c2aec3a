import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type EvaluationRecord, proveWritable, writeEvaluation } from "../../src/data/evaluation-files.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "evaluation-files-"));
});
afterEach(() => rm(directory, { recursive: true }));

const record: EvaluationRecord = {
  taskName: "gsm8k-agent_eval",
  modelName: "teacher",
  totalSeconds: 1.5,
  generationParameters: { max_new_tokens: 2048, temperature: 0 },
  metrics: { "eval/percent_correct": 0.7 },
  samples: [{ score: 1 }, { score: 0 }],
};

test("metrics.json and samples.jsonl have Atropos' layout", async () => {
  const paths = await writeEvaluation(join(directory, "run/eval"), record);
  expect(await readFile(paths.metrics, "utf8")).toBe(`{
  "config_general": {
    "model_name": "teacher",
    "total_evaluation_time_seconds": "1.5",
    "generation_parameters": {
      "max_new_tokens": 2048,
      "temperature": 0
    }
  },
  "results": {
    "atropos|gsm8k-agent_eval|0": {
      "eval/percent_correct": 0.7
    },
    "all": {
      "eval/percent_correct": 0.7
    }
  }
}
`);
  expect(await readFile(join(directory, "run/eval/samples.jsonl"), "utf8")).toBe(
    '{"score":1}\n{"score":0}\n',
  );
  expect((await readdir(join(directory, "run/eval"))).sort()).toEqual(["metrics.json", "samples.jsonl"]);
});

test("a later evaluation replaces an earlier one; without samples there is no samples file", async () => {
  await writeEvaluation(directory, record);
  await writeEvaluation(directory, { ...record, samples: [{ score: 1 }] });
  expect(await readFile(join(directory, "samples.jsonl"), "utf8")).toBe('{"score":1}\n');
  const other = join(directory, "other");
  expect(await writeEvaluation(other, { ...record, samples: [] })).toMatchObject({ samples: null });
  expect(await readdir(other)).toEqual(["metrics.json"]);
});

test("an unwritable directory is known before any work is done", async () => {
  await writeFile(join(directory, "file"), "");
  const path = join(directory, "file");
  await expect(proveWritable(path)).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
  await expect(writeEvaluation(path, { ...record, samples: [] })).rejects.toMatchObject({
    code: "OUTPUT_UNWRITABLE",
    message: expect.stringContaining("metrics.json"),
  });
});
