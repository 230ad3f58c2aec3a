import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { GroupFile } from "../../src/data/group-file.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "group-file-"));
});
afterEach(() => rm(directory, { recursive: true }));

function group(score: number): ScoredGroup {
  return {
    tokens: [[1, 2]],
    masks: [[-100, 2]],
    scores: [score],
    advantages: null,
    ref_logprobs: null,
    messages: [[{ role: "user", content: "one\ntwo \u2028 three" }]],
    generation_params: null,
    inference_logprobs: null,
    overrides: null,
    group_overrides: null,
    images: null,
    env_id: null,
    distill_token_ids: null,
    distill_logprobs: null,
  };
}

test("groups are written one a line, in the order of the appends, also when nobody waits between", async () => {
  const file = await GroupFile.open(join(directory, "deep/er/groups.jsonl"));
  const groups = Array.from({ length: 50 }, (_, index) => group(index));
  await Promise.all(groups.map((each) => file.append(each)));
  await file.close();
  expect(file.groups).toBe(50);
  const lines = (await readFile(file.path, "utf8")).split("\n");
  expect(lines.pop()).toBe("");
  expect(lines.map((line) => JSON.parse(line))).toEqual(groups);
});

test("an existing file is kept and the next free number taken, counted from the name asked for", async () => {
  const path = join(directory, "my.groups.jsonl");
  await writeFile(path, "precious");
  const names: string[] = [];
  for (let run = 0; run < 3; run++) {
    await using file = await GroupFile.open(path);
    names.push(file.path);
  }
  expect(names).toEqual([1, 2, 3].map((number) => join(directory, `my.groups_${number}.jsonl`)));
  expect(await readFile(path, "utf8")).toBe("precious");
});

test("two files opened at once never share a name", async () => {
  const files = await Promise.all(Array.from({ length: 8 }, () => GroupFile.open(join(directory, "groups"))));
  expect(new Set(files.map((file) => file.path)).size).toBe(8);
  await Promise.all(files.map((file) => file.close()));
  expect((await readdir(directory)).sort()).toEqual(
    files.map((file) => file.path.slice(directory.length + 1)).sort(),
  );
});

test("a parent that is a file fails at once and names the path", async () => {
  await writeFile(join(directory, "file"), "");
  const path = join(directory, "file", "groups.jsonl");
  await expect(GroupFile.open(path)).rejects.toMatchObject({
    code: "OUTPUT_UNWRITABLE",
    message: expect.stringContaining(path),
  });
  await expect(GroupFile.open(join(path, "groups.jsonl"))).rejects.toMatchObject({
    code: "OUTPUT_UNWRITABLE",
  });
});

test.skipIf(process.getuid?.() === 0)("a directory without write permission fails at once", async () => {
  await chmod(directory, 0o500);
  await expect(GroupFile.open(join(directory, "groups.jsonl"))).rejects.toMatchObject({
    code: "OUTPUT_UNWRITABLE",
  });
  await chmod(directory, 0o700);
});

test("close waits for what was appended, is idempotent, and refuses later appends", async () => {
  const file = await GroupFile.open(join(directory, "groups.jsonl"));
  const appended = file.append(group(1));
  await Promise.all([file.close(), file.close(), appended]);
  expect((await readFile(file.path, "utf8")).trim().split("\n")).toHaveLength(1);
  await expect(file.append(group(2))).rejects.toMatchObject({ code: "INTERNAL" });
});
