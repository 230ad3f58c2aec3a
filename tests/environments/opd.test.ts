import { expect, test } from "vitest";
import { bundledMaths } from "../../environments/math-agent.ts";
import { MathAgentTeacher, readMathsProblems } from "../../environments/math-agent-teacher.ts";
import { OpdEnv } from "../../environments/opd.ts";
import type { RunPurpose } from "../../src/env/env-class.ts";
import { startEnvironment } from "../../src/env/start-environment.ts";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { startPracticeServer } from "../../src/practice/practice-server.ts";
import type { WireName } from "../../src/practice/wire/token-wire.ts";
import { testServices } from "../support/env-services.ts";
import { practiceModel, serveOneBatch } from "../support/token-serve.ts";

const { rows: problems } = await readMathsProblems(Object.values(bundledMaths), {
  signal: new AbortController().signal,
});
const player = new MathAgentTeacher(problems);

/** Seed 3 is the student's own: such a teacher agrees with it in everything. */
async function startTeacher(shape: WireName, practice: object = {}) {
  const server = await startPracticeServer({
    teacher: player,
    config: practiceConfig.parse({ seed: 3, ...practice }),
    model: practiceModel,
    shapes: [shape],
  });
  return { url: server.url, [Symbol.asyncDispose]: () => server.close() };
}

const serve = (url: string, serverType: "vllm" | "sglang", flags: readonly string[] = []) =>
  serveOneBatch({
    serverType,
    shape: serverType === "vllm" ? "vllm-generate" : "sglang",
    envClass: OpdEnv,
    teacher: player,
    batchSize: 4,
    flags: [
      `--env.teacher.base_url=${url}`,
      "--env.teacher.model_name=practice",
      `--env.teacher.server_type=${serverType}`,
      "--env.enabled_toolsets=python",
      ...flags,
    ],
  });

test.each([
  ["vllm", "vllm-completions"],
  ["sglang", "sglang"],
] as const)(
  "a %s teacher that is the student's twin gives each sampled id the student's own log-probability",
  async (serverType, shape) => {
    await using teacher = await startTeacher(shape);
    const { batch } = await serve(teacher.url, serverType, ["--env.distill_targets=sampled"]);
    expect(batch.length).toBeGreaterThan(0);
    for (const group of batch) {
      expect(group.group_overrides).toMatchObject({ distill: { targets: "sampled", k: 1 } });
      for (const [sequence, ids] of group.tokens.entries()) {
        const masks = group.masks[sequence] ?? [];
        const expectedIds = masks.map((mask) => [mask]);
        const expectedLogprobs = ids.map((_, position) => [group.inference_logprobs?.[sequence]?.[position]]);
        expect(group.distill_token_ids?.[sequence]).toEqual(expectedIds);
        expect(group.distill_logprobs?.[sequence]).toEqual(expectedLogprobs);
      }
    }
  },
  60_000,
);

test("another teacher's k likeliest ids stand at each sampled place, the likeliest first, and none elsewhere", async () => {
  await using teacher = await startTeacher("vllm-completions", { seed: 8 });
  const { batch } = await serve(teacher.url, "vllm", ["--env.distill_topk=5"]);
  for (const group of batch) {
    for (const [sequence, masks] of group.masks.entries()) {
      for (const [position, mask] of masks.entries()) {
        const ids = group.distill_token_ids?.[sequence]?.[position] ?? [];
        const logprobs = group.distill_logprobs?.[sequence]?.[position] ?? [];
        if (mask === -100) {
          expect([ids, logprobs]).toEqual([Array(5).fill(-100), Array(5).fill(1)]);
          continue;
        }
        expect(new Set(ids).size).toBe(5);
        expect(logprobs).toEqual(logprobs.toSorted((left, right) => right - left));
        expect(Math.max(...logprobs)).toBeLessThan(0);
      }
    }
  }
}, 60_000);

test("a teacher with another vocabulary is refused before the first rollout", async () => {
  await expect(
    serve("http://127.0.0.1:9/v1", "vllm", ["--env.teacher.tokenizer_name=tiny-policy"]),
  ).rejects.toMatchObject({ code: "TEACHER_TOKENIZER_DIFFERS" });
});

test("without a teacher no group is begun, and what to set is said; evaluations need none", async () => {
  await using services = await testServices();
  const { signal } = new AbortController();
  const start = (purpose: RunPurpose) =>
    startEnvironment(
      new OpdEnv({ services, config: OpdEnv.configSchema.parse(OpdEnv.defaults.env) as never }),
      signal,
      { purpose },
    );
  await expect(start("process")).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining("env.teacher is not set"),
  });
  for (const purpose of ["evaluate", "validate"] as const) {
    await using _started = await start(purpose);
  }
});

test("a group without a teacher fails for good", async () => {
  await using services = await testServices();
  const env = new OpdEnv({ services, config: OpdEnv.configSchema.parse(OpdEnv.defaults.env) as never });
  await env.setup({ signal: new AbortController().signal });
  const item = await env.getNextItem();
  const result = await env.collectGroup(item ?? {}, {
    groupId: "g0",
    seed: 0,
    signal: new AbortController().signal,
    deadlineMs: Number.POSITIVE_INFINITY,
    logger: services.logger,
    maxTokenLength: 8192,
    maxSequences: 64,
  });
  expect(result).toMatchObject({ kind: "failed", error: { code: "CONFIG_INVALID" }, retryable: false });
  await env.cleanup();
});
