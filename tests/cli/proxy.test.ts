import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Gsm8kTeacher } from "../../environments/gsm8k-agent-teacher.ts";
import { proxyCommand } from "../../src/cli/proxy.ts";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { startPracticeServer } from "../../src/practice/practice-server.ts";
import { TestTrainer, until } from "../support/test-trainer.ts";
import { practiceModel } from "../support/token-serve.ts";
import { memoryIo } from "./memory-io.ts";
import { RunningCli } from "./run-cli.ts";

// Real processes, on machines that do other work too.
vi.setConfig({ testTimeout: 60_000 });

const question = "What is 3?";

async function startPractice(config: object = {}) {
  return await startPracticeServer({
    teacher: new Gsm8kTeacher([{ question, answer: "It is 3.\n#### 3" }]),
    config: practiceConfig.parse(config),
    model: practiceModel,
  });
}

const flagsFor = (baseUrl: string) => [
  ...["proxy", "--port", "0", "--openai.base_url", baseUrl, "--openai.server_type", "sglang"],
  ...["--openai.model_name", "practice", "--env.tokenizer_name", "practice", "--token", "adm1n-token"],
];

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a foreign client would
async function post(url: string, body: object): Promise<any> {
  const headers = { "content-type": "application/json", authorization: "Bearer adm1n-token" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  expect(response.ok).toBe(true);
  return await response.json();
}

describe("environment proxy", () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), "proxy-cli-"));
  });
  afterAll(() => rm(cwd, { recursive: true }));

  test("plays a session, hands its group to a trainer, and signs off on Ctrl-C", async () => {
    await using practice = await startPractice();
    await using trainer = await TestTrainer.registered({ batch_size: 1 });
    const argv = [
      ...flagsFor(practice.url),
      "--env.rollout_server_url",
      trainer.url,
      "--env.group_size",
      "1",
    ];
    await using cli = new RunningCli(argv, { cwd });
    const [, url = ""] = await cli.says(/ready: (http:\/\/127\.0\.0\.1:\d+) \(model practice\)\n/);
    const { base_url: baseURL, secret: apiKey, session_id } = await post(`${url}/sessions`, {});
    const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
    const messages = [{ role: "user" as const, content: question }];
    const { choices } = await client.chat.completions.create({ model: "practice", messages });
    expect(choices[0]?.message.content).toContain("3");
    expect(await post(`${url}/groups`, { sessions: [{ session_id, score: 1 }] })).toMatchObject({
      submitted: true,
    });
    const [group] = await trainer.nextBatch();
    expect(group?.scores).toEqual([1]);
    cli.signal("SIGINT");
    const { code, stderr } = await cli.end();
    expect(code).toBe(0);
    expect(stderr).toMatch(/^Parsers: hermes/);
    expect(stderr).not.toContain("adm1n-token");
  });

  test("Ctrl-C breaks off what is being sampled", async () => {
    let asked = 0;
    await using practice = await startPractice({ latency_ms: 600_000 });
    await using cli = new RunningCli(flagsFor(practice.url), { cwd });
    const [, url = ""] = await cli.says(/ready: (http:\/\/127\.0\.0\.1:\d+) /);
    const { base_url: baseURL, secret: apiKey, session_id: id } = await post(`${url}/sessions`, {});
    const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
    const messages = [{ role: "user" as const, content: question }];
    const broken = expect(client.chat.completions.create({ model: "practice", messages })).rejects.toThrow();
    await until(async () => {
      const headers = { authorization: "Bearer adm1n-token" };
      const answer: unknown = await (await fetch(`${url}/sessions/${id}`, { headers })).json();
      asked = Number(Object(answer).waiting);
      return asked === 1;
    });
    cli.signal("SIGINT");
    await broken;
    expect(await cli.end()).toMatchObject({ code: 0 });
  });

  test.each([
    [
      ["--host", "0.0.0.0", "--openai.server_type", "vllm"],
      /refusing to listen on 0\.0\.0\.0 without a token/,
    ],
    [["--openai.server_type", "openai"], /openai/],
    [["--env.group_sise", "3"], /group_size/],
    [["--env.tool_call_parser", "hermez"], /hermes/],
    [["serve"], /flags only/],
    [["--idle-timeout", "soon"], /Expected a time/],
  ])("%j is refused", async (flags, message) => {
    const command = proxyCommand(memoryIo());
    const server = ["--openai.base_url", "http://127.0.0.1:9", "--env.tokenizer_name", "practice"];
    await expect(command.parseAsync([...server, "--port", "0", ...flags], { from: "user" })).rejects.toThrow(
      message,
    );
  });

  test("--help tells every key", async () => {
    const io = memoryIo();
    await proxyCommand(io).parseAsync(["--help"], { from: "user" });
    const { stdout } = io.read();
    for (const name of ["--idle-timeout", "--env.rollout_server_url", "--openai.server_type"]) {
      expect(stdout).toContain(name);
    }
  });
});
