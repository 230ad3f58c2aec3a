import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DatasetSource, openDataset } from "../../src/data/dataset.ts";
import { commitOf, type FakeHubOptions, startFakeHub } from "../support/fake-hub.ts";

let cacheDirectory: string;
beforeEach(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), "hub-dataset-"));
});
afterEach(() => rm(cacheDirectory, { recursive: true }));

function parquet(...questions: string[]): Uint8Array {
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: "question", data: questions, type: "STRING" },
        { name: "answer", data: questions.map((question) => `#### ${question.length}`), type: "STRING" },
      ],
    }),
  );
}

const gsm8k: FakeHubOptions = {
  dataset: "openai/gsm8k",
  revisions: {
    main: {
      "README.md": Buffer.from("hello"),
      "main/train-00001-of-00002.parquet": parquet("c"),
      "main/train-00000-of-00002.parquet": parquet("a", "b"),
      "main/test-00000-of-00001.parquet": parquet("t"),
      "socratic/train-00000-of-00001.parquet": parquet("s"),
    },
  },
};
const train: DatasetSource = { kind: "hub", name: "openai/gsm8k", config: "main", split: "train" };

async function questions(
  source: DatasetSource,
  hubUrl: string,
  { hubToken, signal = new AbortController().signal }: { hubToken?: string; signal?: AbortSignal } = {},
): Promise<unknown[]> {
  const dataset = await openDataset(source, { signal, cacheDirectory, hubToken, hubUrl });
  return Array.from({ length: dataset.length }, (_, index) => {
    const row = dataset.read(index);
    return row.ok ? (row.value as { question: string }).question : row.reason;
  });
}

async function leftovers(): Promise<string[]> {
  const files = await readdir(cacheDirectory, { recursive: true });
  return files.filter((file) => file.endsWith(".part"));
}

test("the split's shards are downloaded in order and read again without network", async () => {
  let url: string;
  {
    await using hub = await startFakeHub(gsm8k);
    url = hub.url;
    expect(await questions(train, url)).toEqual(["a", "b", "c"]);
    const asked = hub.requests.length;
    expect(await questions(train, url)).toEqual(["a", "b", "c"]);
    expect(hub.requests).toHaveLength(asked);
  }
  expect(await questions(train, url)).toEqual(["a", "b", "c"]);
  expect(await leftovers()).toEqual([]);
});

test("files are pinned to one commit", async () => {
  await using hub = await startFakeHub(gsm8k);
  await questions(train, hub.url);
  const resolved = hub.requests.filter((request) => request.includes("/resolve/"));
  expect(resolved.every((request) => request.includes(`/resolve/${commitOf("main")}/`))).toBe(true);
});

test.each<[string, Partial<Extract<DatasetSource, { kind: "hub" }>>, string[]]>([
  ["another split", { split: "test" }, ["t"]],
  ["another config", { config: "socratic" }, ["s"]],
  ["no config, where the split is unique", { config: null, split: "test" }, ["t"]],
])("%s", async (_name, change, expected) => {
  await using hub = await startFakeHub(gsm8k);
  expect(await questions({ ...train, ...change }, hub.url)).toEqual(expected);
});

test.each<[string, Record<string, Uint8Array>, string | null]>([
  ["data/train-00000-of-00001.parquet", { "data/train-00000-of-00001.parquet": parquet("x") }, null],
  ["with a hash", { "data/train-00000-of-00001-0123abcd.parquet": parquet("x") }, null],
  ["train.parquet", { "train.parquet": parquet("x") }, null],
  ["config/train/0000.parquet", { "main/train/0000.parquet": parquet("x") }, "main"],
])("the layout %s is understood", async (_name, files, config) => {
  await using hub = await startFakeHub({ dataset: "openai/gsm8k", revisions: { main: files } });
  expect(await questions({ ...train, config }, hub.url)).toEqual(["x"]);
});

test("a dataset without parquet files is read from the hub's own conversion", async () => {
  await using hub = await startFakeHub({
    dataset: "openai/gsm8k",
    revisions: {
      main: { "train.jsonl": Buffer.from("{}") },
      "refs/convert/parquet": { "main/train/0000.parquet": parquet("converted") },
    },
  });
  expect(await questions(train, hub.url)).toEqual(["converted"]);
});

test("an unknown split or config is an error that lists what is there", async () => {
  await using hub = await startFakeHub(gsm8k);
  for (const change of [{ split: "dev" }, { config: "maine" }, { config: null }]) {
    await expect(questions({ ...train, ...change }, hub.url)).rejects.toMatchObject({
      code: "DATASET_NOT_FOUND",
      hint: expect.stringContaining("main/train, main/test, socratic/train"),
    });
  }
});

test("an unknown dataset is an error that names the local alternative", async () => {
  await using hub = await startFakeHub(gsm8k);
  await expect(questions({ ...train, name: "openai/gsm9k" }, hub.url)).rejects.toMatchObject({
    code: "DATASET_NOT_FOUND",
    message: expect.stringContaining("openai/gsm9k"),
    hint: expect.stringContaining("--env.dataset_path"),
  });
});

test("a private dataset needs the right token", async () => {
  await using hub = await startFakeHub({ ...gsm8k, token: "hf_right" });
  const denied = { code: "DATASET_ACCESS_DENIED", hint: expect.stringContaining("HF_TOKEN") };
  await expect(questions(train, hub.url)).rejects.toMatchObject(denied);
  await expect(questions(train, hub.url, { hubToken: "hf_wrong" })).rejects.toMatchObject(denied);
  await expect(questions(train, hub.url, { hubToken: "wrong" })).rejects.toMatchObject(denied);
  expect(await questions(train, hub.url, { hubToken: "hf_right" })).toEqual(["a", "b", "c"]);
});

test("without network and cache the error names the local alternative", async () => {
  let url: string;
  {
    await using hub = await startFakeHub(gsm8k);
    url = hub.url;
  }
  await expect(questions(train, url)).rejects.toMatchObject({
    code: "DATASET_UNREACHABLE",
    message: expect.stringContaining("ECONNREFUSED"),
    hint: expect.stringContaining("--env.dataset_path"),
    retryable: true,
  });
});

const shard = parquet("c");

test.each<[string, FakeHubOptions["intercept"]]>([
  [
    "breaks off",
    (_request, response) =>
      Boolean(
        response.writeHead(200, { "content-length": shard.length }).write("PAR1") && response.destroy(),
      ),
  ],
  ["is too short", (_request, response) => Boolean(response.end(shard.subarray(1)))],
  ["has another checksum", (_request, response) => Boolean(response.end(Buffer.alloc(shard.length)))],
  ["is an error page", (_request, response) => Boolean(response.writeHead(503).end("try later"))],
])("a download that %s leaves nothing behind, and a later one succeeds", async (_name, spoil) => {
  let spoiled = 0;
  await using hub = await startFakeHub({
    ...gsm8k,
    intercept(request, response) {
      const isContent = request.url?.includes("/resolve/") && request.headers.range !== "bytes=0-0";
      if (!isContent || !request.url?.includes("00001-of-00002") || spoiled > 0) return false;
      spoiled += 1;
      return spoil?.(request, response) ?? false;
    },
  });
  await expect(questions(train, hub.url)).rejects.toMatchObject({
    code: "DATASET_UNREACHABLE",
    retryable: true,
  });
  expect(await leftovers()).toEqual([]);
  expect(await questions(train, hub.url)).toEqual(["a", "b", "c"]);
});

test("a big file comes in several ranges", async () => {
  const long = Array.from({ length: 90_000 }, (_, index) => `${index}:${"x".repeat(90)}`);
  const content = new Uint8Array(
    parquetWriteBuffer({
      columnData: [{ name: "question", data: long, type: "STRING" }],
      codec: "UNCOMPRESSED",
    }),
  );
  expect(content.length).toBeGreaterThan(8 * 1024 * 1024);
  await using hub = await startFakeHub({
    dataset: "openai/gsm8k",
    revisions: { main: { "main/train.parquet": content } },
  });
  expect(await questions(train, hub.url)).toEqual(long);
  expect(hub.requests.filter((request) => request.includes("/resolve/"))).toHaveLength(3);
});

test("an abort ends a hanging download with the signal's reason", async () => {
  const controller = new AbortController();
  await using hub = await startFakeHub({
    ...gsm8k,
    intercept(request) {
      if (!request.url?.includes("/resolve/")) return false;
      controller.abort(new Error("stopped by the test"));
      return true;
    },
  });
  await expect(questions(train, hub.url, { signal: controller.signal })).rejects.toThrow(
    "stopped by the test",
  );
  await expect(questions(train, hub.url, { signal: controller.signal })).rejects.toThrow(
    "stopped by the test",
  );
  expect(await leftovers()).toEqual([]);
});
