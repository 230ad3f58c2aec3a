import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { initialPolicy } from "../../src/tiny-policy/policy-weights.ts";
import { encodeWeights } from "../../src/tiny-policy/weights-file.ts";
import { RunningCli } from "./run-cli.ts";

const size = { context_length: 48, width: 16, layers: 1 };
const file = (version: number) =>
  encodeWeights({ ...initialPolicy({ vocabularySize: 512, seed: version, size }), version });

describe("environment policy-server", () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), "policy-cli-"));
    await writeFile(join(cwd, "first.safetensors"), file(3));
  });
  afterAll(() => rm(cwd, { recursive: true }));

  test("prints its URL, samples, takes weights, and stops on Ctrl-C", async () => {
    const argv = [
      "policy-server",
      "--port",
      "0",
      "--weights",
      "first.safetensors",
      "--admin-token",
      "s3cret",
    ];
    await using cli = new RunningCli(argv, { cwd });
    const [, url = ""] = await cli.says(
      /ready: (http:\/\/127\.0\.0\.1:\d+)\/v1 \(\d+ weights of version 3, context 48\)\n/,
    );
    const ask = async (): Promise<unknown> => {
      const answer = await fetch(`${url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ prompt: [1, 2, 3], max_tokens: 4, return_token_ids: true }),
      });
      return answer.json();
    };
    expect(await ask()).toMatchObject({ choices: [{ weight_version: 3, prompt_token_ids: [1, 2, 3] }] });
    const upload = await fetch(`${url}/weights`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream", authorization: "Bearer s3cret" },
      body: Buffer.from(file(4)),
    });
    expect(upload.status).toBe(200);
    expect(await ask()).toMatchObject({ choices: [{ weight_version: 4 }] });
    cli.signal("SIGINT");
    expect(await cli.end()).toMatchObject({ code: 0, stderr: "" });
  });

  test("refuses more threads than a machine could start", async () => {
    await using cli = new RunningCli(["policy-server", "--port", "0", "--threads", "1000"], { cwd });
    expect(await cli.end()).toMatchObject({ code: 2, stderr: expect.stringContaining("at most 64") });
  });

  test.each<[string, string[], string]>([
    ["weights that are not there", ["--weights", "nowhere.safetensors"], "WEIGHTS_INVALID"],
    [
      "a tokenizer of another model",
      ["--weights", "first.safetensors", "--tokenizer", "practice"],
      "512 ids",
    ],
    ["an open address without a token", ["--host", "0.0.0.0"], "BIND_UNPROTECTED"],
  ])("refuses %s", async (_name, flags, words) => {
    await using cli = new RunningCli(["policy-server", "--port", "0", ...flags], { cwd });
    expect(await cli.end()).toMatchObject({ code: 1, stderr: expect.stringContaining(words) });
  });
});
