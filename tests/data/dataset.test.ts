import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Dataset, openDataset } from "../../src/data/dataset.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "dataset-"));
});
afterEach(() => rm(directory, { recursive: true }));

const signal = new AbortController().signal;

function open(path: string): Promise<Dataset> {
  return openDataset({ kind: "file", path }, { signal, cacheDirectory: directory, hubToken: undefined });
}

test("JSONL: rows are read when asked for; blank lines, CRLF and a byte order mark don't disturb", async () => {
  const path = join(directory, "rows.jsonl");
  await writeFile(path, '\uFEFF{"a":1}\r\n\r\n  \n{"a":"\u2028ü"}\r\n{broken\nnull');
  const dataset = await open(path);
  expect(dataset.length).toBe(4);
  expect([0, 1, 3].map((index) => dataset.read(index))).toEqual(
    [{ a: 1 }, { a: "\u2028ü" }, null].map((value) => ({ ok: true, value })),
  );
  expect(dataset.read(2)).toMatchObject({ ok: false, reason: expect.stringContaining("no valid JSON") });
  expect(dataset.locate(2)).toEqual({ file: path, line: 5 });
});

test("parquet: every compression that writers use is read", async () => {
  const columnData = [{ name: "question", data: ["one", "two"], type: "STRING" as const }];
  for (const codec of ["UNCOMPRESSED", "SNAPPY"] as const) {
    const path = join(directory, `${codec}.parquet`);
    await writeFile(path, Buffer.from(parquetWriteBuffer({ columnData, codec })));
    const dataset = await open(path);
    expect(dataset.read(1)).toEqual({ ok: true, value: { question: "two" } });
    expect(dataset.locate(1)).toEqual({ file: path, line: 2 });
  }
});

test.each<[string, string | null, string]>([
  ["missing.jsonl", null, "DATASET_NOT_FOUND"],
  ["missing.parquet", null, "DATASET_NOT_FOUND"],
  ["empty.jsonl", "\n\n", "DATASET_EMPTY"],
  ["text.parquet", "this is no parquet file", "DATASET_INVALID"],
  ["empty.parquet", "", "DATASET_INVALID"],
  ["rows.csv", "a,b", "DATASET_INVALID"],
])("%s is refused by name", async (name, content, code) => {
  const path = join(directory, name);
  if (content !== null) await writeFile(path, content);
  await expect(open(path)).rejects.toMatchObject({ code, message: expect.stringContaining(path) });
});

test("a directory is refused by name", async () => {
  const path = join(directory, "dir.jsonl");
  await mkdir(path);
  await expect(open(path)).rejects.toMatchObject({
    code: "DATASET_INVALID",
    message: expect.stringContaining(path),
  });
});

test("an aborted signal is obeyed", async () => {
  const path = join(directory, "rows.jsonl");
  await writeFile(path, "{}");
  const options = {
    signal: AbortSignal.abort(new Error("stop")),
    cacheDirectory: directory,
    hubToken: undefined,
  };
  await expect(openDataset({ kind: "file", path }, options)).rejects.toThrow("stop");
});
