import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { processIo } from "../../src/cli/cli-io.ts";
import { practiceServerCommand } from "../../src/cli/practice-server.ts";
import { OpenAiServer } from "../../src/inference/openai-server.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { RunningCli } from "./run-cli.ts";

const never = new AbortController().signal;

describe("environment practice-server", () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), "practice-cli-"));
  });
  afterAll(() => rm(cwd, { recursive: true }));

  test("prints its URL, plays the problems that ship, logs, refuses its port to another, and stops on Ctrl-C", async () => {
    await using cli = new RunningCli(
      ["practice-server", "--port", "0", "--error-rate", "1", "--log", "played.jsonl"],
      { cwd },
    );
    const [, url = "", port = ""] = await cli.says(
      /ready: (http:\/\/127\.0\.0\.1:(\d+)\/v1) \(80 problems\)\n/,
    );
    await using server = new OpenAiServer({ config: serverConfig.parse({ base_url: url }) });
    const content =
      "Ines buys 4 notebooks for $3 each and 6 pens for $1.50 each. She pays with a $50 bill. How many dollars does she get back?";
    const { choices } = await server.complete({ messages: [{ role: "user", content }] }, { signal: never });
    expect(choices[0]?.message.content).toMatch(/\\boxed\{(?!29\})/);

    await using second = new RunningCli(["practice-server", "--port", port], { cwd });
    expect(await second.end()).toMatchObject({ code: 1, stderr: expect.stringContaining(`Port ${port}`) });

    cli.signal("SIGINT");
    expect(await cli.end()).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(await readFile(join(cwd, "played.jsonl"), "utf8"))).toMatchObject({
      status: 200,
      errs: [true],
    });
  });

  test("speaks in ids with the tokenizer that ships, and logs each of them", async () => {
    await using cli = new RunningCli(
      ["practice-server", "--port", "0", "--shape", "trl", "sglang", "--token-log", "ids.jsonl"],
      { cwd },
    );
    const [, url = ""] = await cli.says(/ready: (http:\/\/127\.0\.0\.1:\d+)\/v1/);
    const post = (path: string, body: object) =>
      fetch(url + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const prompt = "<|im_start|>user\nWhat is 3?<|im_end|>\n<|im_start|>assistant\n";
    const answer = z
      .object({ prompt_ids: z.array(z.array(z.int())), completion_ids: z.array(z.array(z.int())) })
      .parse(await (await post("/generate/", { prompts: [prompt], max_tokens: 100 })).json());
    expect((await post("/v1/completions", { prompt })).status).toBe(404);
    cli.signal("SIGINT");
    expect(await cli.end()).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(await readFile(join(cwd, "ids.jsonl"), "utf8"))).toMatchObject({
      shape: "trl",
      prompt_ids: answer.prompt_ids[0],
      ids: answer.completion_ids[0],
      finish_reason: "stop",
      text: expect.stringContaining("\\boxed{3}"),
    });
  });

  test("plays tiny-maths with the tiny policy's tokenizer", async () => {
    await using cli = new RunningCli(["practice-server", "--teacher", "tiny-maths", "--port", "0"], { cwd });
    const [, url = ""] = await cli.says(/ready: (http:\/\/127\.0\.0\.1:\d+)\/v1 \(tiny-maths, sloppy\)/);
    const question = "Ann has 12 apples and buys 30 more. How many apples?";
    const prompt = `<|im_start|>system\nTools: python<|im_end|>\n<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;
    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "practice", prompt, max_tokens: 50, n: 8 }),
    });
    const { choices } = z
      .object({ choices: z.array(z.object({ text: z.string() })) })
      .parse(await response.json());
    expect(choices.map(({ text }) => text).join("\n")).toMatch(
      /"python", "arguments": \{"code": "\d+[-+*]\d+"/,
    );
    cli.signal("SIGINT");
    expect(await cli.end()).toMatchObject({ code: 0, stderr: "" });
  });

  test.each([
    [["--error-rate", "1.5"], /^--error-rate: /],
    [["--latency-ms", "soon"], /--latency-ms.*Expected a number/],
    [["--cut-rate", "0.6", "--die-rate", "0.6"], /add up to more than 1/],
    [["--shape", "openai"], /Allowed choices are vllm-generate/],
    [["--tokenizer", "./nowhere"], /nowhere/],
    [["--teacher", "nobody"], /Allowed choices are .*gsm8k.*tiny-maths/],
    [["--teacher", "tiny-maths", "--dataset", "x.jsonl"], /makes its problems itself/],
    [["--port", "70000"], /--port.*0 to 65535/],
    [["--dataset", "nowhere.jsonl"], /nowhere\.jsonl: there is no such file/],
  ])("%j is refused", async (flags, message) => {
    const silent = { write: () => true };
    const command = practiceServerCommand({ ...processIo(), stdout: silent, stderr: silent });
    await expect(command.parseAsync(flags, { from: "user" })).rejects.toThrow(message);
  });
});
