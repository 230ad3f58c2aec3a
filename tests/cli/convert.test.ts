/** `environment convert`: files in, files out, and what it says about files that are none. */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { runEnvironmentCommand } from "../../src/cli/environment-main.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";
import { memoryIo } from "./memory-io.ts";

const group = (scores: readonly number[]): string =>
  JSON.stringify({
    tokens: scores.map(() => [1, 2]),
    masks: scores.map(() => [-100, 2]),
    scores,
    messages: scores.map((score) => [
      { role: "user", content: "?" },
      { role: "assistant", content: `${score}` },
    ]),
    // As Atropos' own environments write what is absent.
    advantages: [],
    overrides: [],
    inference_logprobs: [],
  });

async function convert(environment: object, ...args: string[]) {
  const io = memoryIo();
  Object.assign(io.environment, environment);
  // Errors that end a command are said on the process's own stderr.
  let said = "";
  const spy = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
  try {
    const code = await runEnvironmentCommand(["convert", ...args], io);
    const { stdout, stderr } = io.read();
    return { code, stdout, stderr: stderr + said };
  } finally {
    spy.mockRestore();
  }
}

test("makes several formats of several files, filtered, and says what was left out", async () => {
  await using directory = await TemporaryDirectory.make();
  const path = (name: string) => join(directory.path, name);
  await writeFile(path("a.jsonl"), `\uFEFF${group([1, 0])}\r\n\n${group([0.5, 0.2])}`);
  await writeFile(path("b.jsonl"), `${group([0])}\n`);
  const { code, stdout } = await convert(
    {},
    path("a.jsonl"),
    path("b.jsonl"),
    "--format=openai,sft.parquet",
    "--min-score=0.2",
    `--out=${path("out")}`,
  );
  expect(stdout).toContain("3 groups read; 3 of 5 samples kept; left out: low-score x2\n");
  expect(code).toBe(0);
  const lines = (await readFile(path("out.openai.jsonl"), "utf8")).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).metadata.reward)).toEqual([1, 0.5, 0.2]);
  expect((await readdir(directory.path)).sort()).toEqual([
    "a.jsonl",
    "b.jsonl",
    "out.openai.jsonl",
    "out.sft.parquet",
  ]);
});

test.each([
  ["a torn line", `${group([1])}\n${group([1]).slice(0, 40)}`, /groups\.jsonl:2: no valid JSON/],
  ["something else", `${group([1])}\n\n{"a":1}`, /groups\.jsonl:3: no group: tokens/],
  [
    "lists that don't fit",
    `${JSON.stringify({ tokens: [[1]], masks: [[1, 2]], scores: [1] })}\n`,
    /groups\.jsonl:1: no group: masks\.0: 2, but the sequence has 1/,
  ],
  [
    "scores that don't fit",
    `${JSON.stringify({ tokens: [[1]], masks: [[1]], scores: [] })}\n`,
    /groups\.jsonl:1: no group: scores: 0, but/,
  ],
  [
    "numbers that are none",
    '{"tokens":[["1"]],"masks":[[1]],"scores":[1]}\n',
    /groups\.jsonl:1: no group: tokens/,
  ],
  ["a Parquet file", "PAR1\u0015", /groups\.jsonl: a Parquet file; groups are read from JSONL/],
  ["a line of another format", '{"messages":[]}\n', /groups\.jsonl:1: a line of another format/],
  ["deep nesting", `{"tokens":${"[".repeat(100_000)}${"]".repeat(100_000)}}\n`, /groups\.jsonl:1: no group/],
  [
    "no conversations",
    '{"tokens":[[1]],"masks":[[1]],"scores":[1]}\n',
    /EXPORT_IMPOSSIBLE.*groups\.jsonl:1: sample 0 has no messages/s,
  ],
])("%s ends it with file and line, and leaves no file behind", async (_name, content, message) => {
  await using directory = await TemporaryDirectory.make();
  const source = join(directory.path, "groups.jsonl");
  await writeFile(source, content);
  const { code, stderr } = await convert({}, source, "--format=openai,openai.parquet");
  expect(stderr).toMatch(message);
  expect(code).toBe(1);
  expect(await readdir(directory.path)).toEqual(["groups.jsonl"]);
});

test("a line of 60 MB is a line like another; files that can't be made or read are named", async () => {
  await using directory = await TemporaryDirectory.make();
  const source = join(directory.path, "groups.jsonl");
  const long = "x".repeat(60_000_000);
  const messages = [
    [
      { role: "user", content: long },
      { role: "assistant", content: "1" },
    ],
  ];
  await writeFile(
    source,
    `${JSON.stringify({ tokens: [[1]], masks: [[1]], scores: [1], messages })}\n${group([1])}\n`,
  );
  const { stdout } = await convert({}, source, "--format=openai");
  expect(stdout).toContain("2 lines in");
  await mkdir(join(directory.path, "taken.openai.jsonl"));
  const unwritable = await convert({}, source, "--format=openai", `--out=${join(directory.path, "taken")}`);
  expect(unwritable.stderr).toContain("OUTPUT_UNWRITABLE");
  const noSpace = await convert({}, source, "--format=openai", "--out=/proc/nowhere/out");
  expect(noSpace.stderr).toContain("OUTPUT_UNWRITABLE");
  const missing = await convert({}, join(directory.path, "missing.jsonl"));
  expect(missing.stderr).toContain("DATASET_NOT_FOUND");
  const itself = await convert(
    {},
    join(directory.path, "x.atropos.jsonl"),
    `--out=${join(directory.path, "x")}`,
  );
  expect(itself.stderr).toContain("written over while it is read");
  const inDisguise = await convert(
    {},
    `${directory.path}/./y.atropos.jsonl`,
    `--out=${join(directory.path, "y")}`,
  );
  expect(inDisguise.stderr).toContain("written over while it is read");
  const directoryGiven = await convert({}, directory.path);
  expect(directoryGiven.stderr).toContain("a directory, not a file");
});

test("a page is made of any group file, says how many groups it has, and is never pushed", async () => {
  await using directory = await TemporaryDirectory.make();
  const source = join(directory.path, "groups.jsonl");
  await writeFile(source, `${group([1, 0])}\n${group([0.5])}\n`);
  const { stdout } = await convert({}, source, "--format=html,openai");
  expect(stdout).toContain(`2 groups in ${join(directory.path, "groups.html")}\n  3 lines in`);
  expect(await readFile(join(directory.path, "groups.html"), "utf8")).toContain("mean score 0.5");
  const pushed = await convert({ hubToken: "hf_x" }, source, "--format=html", "--push-to-hub=me/sums");
  expect(pushed.stderr).toContain("nothing to push but a page");
  const gap = await convert({}, source, "--format=dpo", "--min-gap=-1");
  expect(gap.stderr).toContain("Expected a number from 0 on");
  const isPublic = await convert({}, source, "--public");
  expect(isPublic.stderr).toContain("--push-to-hub is not given");
});

test("pushes to the hub only when told to, privately, with the token, and again where the dataset is there", async () => {
  await using directory = await TemporaryDirectory.make();
  const source = join(directory.path, "groups.jsonl");
  await writeFile(source, `${group([1, 0])}\n`);
  const requests: { path: string; authorization: string | undefined; body: string }[] = [];
  const stored: Buffer[] = [];
  let isThere = false;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      const path = request.url ?? "";
      requests.push({ path, authorization: request.headers.authorization, body });
      const json = (status: number, value: unknown) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
      if (path === "/api/repos/create") {
        if (isThere) return json(409, { error: "You already created this dataset repo" });
        isThere = true;
        return json(200, { url: "http://hub/datasets/me/sums", id: "1" });
      }
      if (path.includes("/preupload/")) {
        const files: { path: string }[] = JSON.parse(body).files;
        return json(200, {
          files: files.map(({ path: file }) => ({
            path: file,
            uploadMode: file.endsWith(".parquet") ? "lfs" : "regular",
          })),
        });
      }
      if (path.endsWith("/info/lfs/objects/batch")) {
        const objects: { oid: string; size: number }[] = JSON.parse(body).objects;
        const upload = { href: `http://${request.headers.host}/store` };
        return json(200, {
          transfer: "basic",
          objects: objects.map((object) => ({ ...object, actions: { upload } })),
        });
      }
      if (path === "/store") {
        stored.push(Buffer.concat(chunks));
        return json(200, {});
      }
      if (path.includes("/commit/"))
        return json(200, {
          success: true,
          commitOid: "0".repeat(40),
          commitUrl: "http://hub/c",
          hookOutput: "",
        });
      return json(404, { error: path });
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  const hubUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  try {
    const hub = { hubUrl, hubToken: "hf_secret" };
    await convert(hub, source, "--format=openai");
    expect(requests).toEqual([]);
    const { code, stdout, stderr } = await convert(hub, source, "--format=openai", "--push-to-hub=me/sums");
    expect(stderr).toBe("");
    expect(stdout).toContain(`pushed to ${hubUrl}/datasets/me/sums`);
    expect(code).toBe(0);
    expect(requests.map(({ path }) => path)).toEqual([
      "/api/repos/create",
      "/api/datasets/me/sums/preupload/main",
      "/api/datasets/me/sums/commit/main",
    ]);
    expect(new Set(requests.map(({ authorization }) => authorization))).toEqual(
      new Set(["Bearer hf_secret"]),
    );
    expect(JSON.parse(requests[0]?.body ?? "")).toMatchObject({
      name: "sums",
      organization: "me",
      type: "dataset",
      visibility: "private",
    });
    const uploaded = (requests[2]?.body ?? "").split("\n").map((line) => JSON.parse(line));
    const [file] = uploaded.filter(({ key }) => key === "file");
    expect(file.value.path).toBe("openai.jsonl");
    expect(Buffer.from(file.value.content, "base64").toString()).toBe(
      await readFile(join(directory.path, "groups.openai.jsonl"), "utf8"),
    );
    const again = await convert(hub, source, "--format=openai", "--push-to-hub=me/sums");
    expect(again.code, again.stderr).toBe(0);
    expect(requests).toHaveLength(6);

    // A large file goes to the store that the hub names, and the commit points at it.
    const parquet = await convert(hub, source, "--format=sft.parquet", "--push-to-hub=me/sums");
    expect(parquet.code, parquet.stderr).toBe(0);
    const content = await readFile(join(directory.path, "groups.sft.parquet"));
    expect(stored).toEqual([content]);
    const committed = (requests.at(-1)?.body ?? "").split("\n").map((line) => JSON.parse(line));
    expect(committed.find(({ key }) => key === "lfsFile")?.value).toMatchObject({
      path: "sft.parquet",
      oid: createHash("sha256").update(content).digest("hex"),
    });
    requests.length = 6;

    const noToken = await convert({ hubUrl }, source, "--push-to-hub=me/sums");
    expect(noToken.stderr).toContain("HF_TOKEN is not set");
    const noName = await convert(hub, source, "--push-to-hub=sums");
    expect(noName.stderr).toContain("expected OWNER/NAME");
    expect(requests).toHaveLength(6);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  const gone = await convert({ hubUrl, hubToken: "hf_secret" }, source, "--push-to-hub=me/sums");
  expect(gone.stderr).toContain("HUB_PUSH_FAILED");
  expect(gone.stderr).not.toContain("hf_secret");
});
