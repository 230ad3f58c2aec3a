import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, test } from "vitest";
import { Gsm8kAgentEnv } from "../../environments/gsm8k-agent.ts";
import { type Gsm8kAgentConfig, gsm8kAgentConfig } from "../../environments/gsm8k-items.ts";
import type { AssistantMessage, ChatCompletion, ChatRequest } from "../../src/contracts/chat.ts";
import { processEnvironment } from "../../src/env/process.ts";
import { neverStopped, recordEvents, type TestServices, testServices } from "../support/env-services.ts";

const signal = new AbortController().signal;

function makeEnv(services: TestServices, config: Partial<Gsm8kAgentConfig> = {}): Gsm8kAgentEnv {
  return new Gsm8kAgentEnv({
    services,
    config: gsm8kAgentConfig.parse({ ...Gsm8kAgentEnv.defaults.env, ...config }),
  });
}

async function writeRows(services: TestServices, name: string, rows: readonly unknown[]): Promise<string> {
  const path = join(services.runDirectory, name);
  await writeFile(path, rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"));
  return path;
}

const row = (question: string, number: string) => ({ question, answer: `so\n#### ${number}` });

function reply(message: Omit<AssistantMessage, "role">): ChatCompletion {
  const finish_reason = message.tool_calls === undefined ? "stop" : "tool_calls";
  return {
    id: "1",
    model: "scripted",
    choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason }],
  };
}

/** Computes "what is 6*7?" in the Python session, then answers with what the session printed. */
async function computeAndAnswer({ messages }: ChatRequest): Promise<ChatCompletion> {
  const last = messages.at(-1);
  if (last?.role === "tool") return reply({ content: `The session says so.\n#### ${last.content}` });
  const code = /what is (.*?)\?/.exec(last?.content ?? "")?.[1] ?? "";
  const call = { name: "python", arguments: JSON.stringify({ code }) };
  return reply({ content: null, tool_calls: [{ id: "call-1", type: "function", function: call }] });
}

async function nextItems(env: Gsm8kAgentEnv, count: number) {
  return Promise.all(Array.from({ length: count }, () => env.getNextItem()));
}

test("without any setting it plays the bundled problems, each once an epoch", async () => {
  await using services = await testServices();
  const env = makeEnv(services);
  await env.setup({ signal });
  const items = await nextItems(env, 60);
  expect(new Set(items.map((item) => item?.question)).size).toBe(60);
  expect(await env.getNextItem()).not.toBeNull();
});

test("the order of items depends on the seed alone, and a checkpoint goes on where it was", async () => {
  await using services = await testServices();
  const [first, same, other] = [1, 1, 2].map((seed) => makeEnv(services, { seed })) as [
    Gsm8kAgentEnv,
    Gsm8kAgentEnv,
    Gsm8kAgentEnv,
  ];
  for (const env of [first, same, other]) await env.setup({ signal });
  const items = await nextItems(first, 40);
  expect(await nextItems(same, 40)).toEqual(items);
  expect(await nextItems(other, 40)).not.toEqual(items);

  const resumed = makeEnv(services, { seed: 1 });
  await resumed.setup({ signal });
  await resumed.restoreState(JSON.parse(JSON.stringify(first.checkpointState())));
  expect(await nextItems(resumed, 40)).toEqual(await nextItems(first, 40));
});

test("the prompt holds the problem word for word, and the tools are python alone", async () => {
  await using services = await testServices();
  const env = makeEnv(services);
  const question = "  What\n\nis “6 × 7”?  ";
  expect(env.formatPrompt({ question, gold: "42" })).toContain(question);
  expect(env.chooseTools(0).map(({ name }) => name)).toEqual(["python"]);
});

test("rows that can't be scored are skipped and told once, with the first one's place", async () => {
  await using services = await testServices();
  const notices = recordEvents(services.events, "notice");
  const path = await writeRows(services, "rows.jsonl", [
    row("one", "1"),
    { question: "no answer" },
    "{broken",
    { question: "no number", answer: "many" },
    { question: " ", answer: "#### 1" },
    { question: "a number", answer: 1234 },
    row("grouped", "1,234"),
  ]);
  const env = makeEnv(services, { dataset_path: path });
  await env.setup({ signal });
  const items = await nextItems(env, 6);
  expect(new Set(items.map((item) => `${item?.question}=${item?.gold}`))).toEqual(
    new Set(["one=1", "a number=1234", "grouped=1,234"]),
  );
  expect(notices).toHaveLength(1);
  expect(notices[0]?.message).toContain(`4 of 7 rows of ${path} are skipped; the first: ${path}:2: answer:`);
});

test("a dataset without a usable row ends the setup", async () => {
  await using services = await testServices();
  const path = await writeRows(services, "rows.jsonl", [{ problem: "1 + 1", solution: "2" }]);
  await expect(makeEnv(services, { dataset_path: path }).setup({ signal })).rejects.toMatchObject({
    code: "DATASET_EMPTY",
    message: expect.stringContaining(path),
  });
  const env = makeEnv(services, { dataset_path: path, prompt_field: "problem", answer_field: "solution" });
  await env.setup({ signal });
  expect(await env.getNextItem()).toEqual({ question: "1 + 1", gold: "2" });
});

test("parquet files are read like JSONL", async () => {
  await using services = await testServices();
  const path = join(services.runDirectory, "rows.parquet");
  const columnData = [
    { name: "question", data: ["six times seven"], type: "STRING" as const },
    { name: "answer", data: [42n], type: "INT64" as const },
  ];
  await writeFile(path, Buffer.from(parquetWriteBuffer({ columnData })));
  const env = makeEnv(services, { dataset_path: path });
  await env.setup({ signal });
  expect(await env.getNextItem()).toEqual({ question: "six times seven", gold: "42" });
});

test("process: the tool's result becomes the answer, and right and wrong answers score 1 and 0", async () => {
  await using services = await testServices(computeAndAnswer);
  const path = await writeRows(services, "rows.jsonl", [
    row("what is 6*7?", "42"),
    row("what is 10**3 + 234?", "1,234"),
    row("what is 1/4?", "0.26"),
  ]);
  const output = join(services.runDirectory, "groups.jsonl");
  const env = makeEnv(services, {
    dataset_path: path,
    total_steps: 3,
    group_size: 2,
    ensure_scores_are_not_same: false,
    include_messages: true,
    data_path_to_save_groups: output,
  });
  await processEnvironment({ env, ...neverStopped() });
  const groups = (await readFile(output, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const scores = Object.fromEntries(
    groups.map((group) => [group.messages[0][0].content.split("?")[0], group.scores]),
  );
  expect(scores).toEqual({ "what is 6*7": [1, 1], "what is 10**3 + 234": [1, 1], "what is 1/4": [0, 0] });
  expect(services.sandboxes).toEqual({ opened: 6, closed: 6 });
});

test("evaluate plays the held-out problems with the same tools, greedily, and records the gold answer", async () => {
  const requests: ChatRequest[] = [];
  await using services = await testServices((request) => {
    requests.push(request);
    return computeAndAnswer(request);
  });
  const train = await writeRows(services, "train.jsonl", [row("train", "1")]);
  const heldOut = await writeRows(services, "test.jsonl", [
    row("what is 6*7?", "42"),
    row("what is 1/4?", "4"),
    row("what is 2+2?", "4"),
  ]);
  const env = makeEnv(services, { dataset_path: train, eval_dataset_path: heldOut, eval_max_items: 2 });
  await env.setup({ signal });
  const evaluation = await env.evaluate({ signal });
  expect(evaluation?.metrics).toMatchObject({
    "eval/accuracy": 0.5,
    "eval/items": 2,
    "eval/infra_failed": 0,
  });
  expect(evaluation?.samples.map(({ question, gold, score }) => [question, gold, score])).toEqual([
    ["what is 6*7?", "42", 1],
    ["what is 1/4?", "4", 0],
  ]);
  expect(requests).toHaveLength(4);
  for (const { temperature, tools } of requests) {
    expect(temperature).toBe(0);
    expect(tools?.map((tool) => tool.function.name)).toEqual(["python"]);
  }
});

test("evaluation without a file of its own uses dataset_path, and without that the bundled test problems", async () => {
  await using services = await testServices(async () => reply({ content: "#### 1" }));
  const path = await writeRows(services, "rows.jsonl", [row("own", "1")]);
  const own = makeEnv(services, { dataset_path: path });
  await own.setup({ signal });
  expect((await own.evaluate({ signal }))?.metrics).toMatchObject({ "eval/items": 1, "eval/accuracy": 1 });
  const bundled = makeEnv(services);
  await bundled.setup({ signal });
  expect((await bundled.evaluate({ signal }))?.metrics).toMatchObject({
    "eval/items": 20,
    "eval/accuracy": 0,
  });
});
