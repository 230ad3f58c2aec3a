import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { describe, expect, test, vi } from "vitest";
import type { TrainingStep } from "../../src/contracts/training-step.ts";
import { seededRandom } from "../../src/practice/seeded-random.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { decodeWeights, type PolicyWeights } from "../../src/tiny-policy/weights-file.ts";
import { loadCheckpoint } from "../../src/trainer/checkpoint.ts";
import { publishWeights } from "../../src/trainer/publish-weights.ts";
import { runTrainer } from "../../src/trainer/trainer.ts";
import { grpoConfig } from "../../src/trainer/trainer-config.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";
import { TestTrainer as RolloutServer } from "../support/test-trainer.ts";
import { toyGroup, toyPolicy } from "../support/toy-policy.ts";

vi.setConfig({ testTimeout: 60_000 });

const { signal } = new AbortController();

const config = grpoConfig.parse({
  batch_size: 32,
  learning_rate: 0.015,
  max_drift: 1e-4,
  on_drift: "stop",
  poll_interval_ms: 2,
  checkpoint_every: 5,
});

/** Takes pushed weights over HTTP, as a policy server does. */
async function startWeightsReceiver() {
  let policy: PolicyWeights | undefined;
  const server = createServer(async (request, response) => {
    policy = decodeWeights(await buffer(request), "the push");
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ version: policy.version }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    latest: () => policy,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

type Receiver = Awaited<ReturnType<typeof startWeightsReceiver>>;

/** An environment whose rollouts say three ids, two before and one behind a tool's: id 5 is what earns. */
async function playForever(server: RolloutServer, receiver: Receiver, signal: AbortSignal): Promise<void> {
  const random = seededRandom(11);
  const { env_id } = await server.client.registerEnv(
    { max_token_length: 16, desired_name: "toy", weight: 1, group_size: 8, min_batch_allocation: null },
    { signal },
  );
  for (;;) {
    signal.throwIfAborted();
    const policy = receiver.latest();
    const { self_queue_size: queued } = await server.client.statusEnv(env_id, { signal });
    if (policy === undefined || queued >= 8) {
      await new Promise((resolve) => setTimeout(resolve, 8));
      continue;
    }
    const script = [1, 2, "sample", "sample", 3, "sample"] as const;
    const group = { ...toyGroup(policy, { script, size: 8, random }), env_id };
    await server.client.submitGroups([group], { signal });
  }
}

describe("the trainer", () => {
  test("makes a policy better over a real rollout API, saves it, settles its batches, and leaves no drift", async () => {
    await using server = await RolloutServer.start();
    await using receiver = await startWeightsReceiver();
    await using directory = await TemporaryDirectory.make();
    const events = new EventBus();
    const steps: TrainingStep[] = [];
    events.on("train-step", (step) => steps.push(step));
    const stop = new AbortController();
    const played = playForever(server, receiver, stop.signal).catch((error: unknown) => error);
    const end = await runTrainer({
      apiUrl: server.url,
      policyServerUrl: receiver.url,
      policy: toyPolicy(),
      config: { ...config, steps: 24 },
      checkpointDirectory: directory.path,
      events,
      signal,
    });
    stop.abort(new Error("the test is over"));
    expect(await played).toMatchObject({ message: "the test is over" });

    const rewards = steps.map(({ reward }) => reward ?? Number.NaN);
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(rewards.slice(0, 3))).toBeLessThan(0.9);
    expect(mean(rewards.slice(-3))).toBeGreaterThan(2);
    expect(Math.max(...steps.map(({ drift }) => drift ?? 0))).toBeLessThan(1e-4);
    expect(steps.filter(({ drift }) => drift !== null).length).toBeGreaterThan(15);
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 24 }, (_, index) => index + 1));

    expect(end).toMatchObject({ stopped: false, policy: { version: 24 } });
    expect(receiver.latest()).toEqual(end.policy);
    const saved = await loadCheckpoint(directory.path);
    expect(saved.learner.policy).toEqual(end.policy);
    // A batch that taught nothing is a step, but none of the optimizer's.
    expect(saved.learner.adam.steps).toBe(steps.filter(({ gradientNorm }) => gradientNorm > 0).length);
  });

  test("stopped within a step, saves what was trained, settles that, and gives the batch at hand back", async () => {
    await using server = await RolloutServer.start();
    await using directory = await TemporaryDirectory.make();
    const events = new EventBus();
    const stop = new AbortController();
    const policy = toyPolicy();
    const random = seededRandom(3);
    const groups = [1, 2].map(() => {
      const group = toyGroup(policy, { script: [1, "sample", "sample"], size: 4, random });
      return { ...group, scores: [0, 1, 0, 1] };
    });
    // The batch that comes after the first step is taken, and the run is stopped before it is trained.
    events.on("train-step", () => setTimeout(() => stop.abort(), 0));
    const run = runTrainer({
      apiUrl: server.url,
      policy,
      config: { ...config, batch_size: 4, steps: 0, max_staleness: null, checkpoint_every: 0 },
      checkpointDirectory: directory.path,
      events,
      signal: AbortSignal.any([stop.signal, signal]),
    });
    const { env_id } = await server.client.registerEnv(
      { max_token_length: 16, desired_name: "toy", weight: 1, group_size: 4, min_batch_allocation: null },
      { signal },
    );
    await server.client.submitGroups(
      groups.map((group) => ({ ...group, env_id })),
      { signal },
    );
    const end = await run;
    expect(end.stopped).toBe(true);
    const trained = end.policy.version;
    expect([1, 2]).toContain(trained);
    expect((await loadCheckpoint(directory.path)).learner.policy).toEqual(end.policy);
    // Nothing is lost and nothing comes twice: what was not trained is served again.
    const left = [];
    for (let batch = await server.client.batch({ signal }); batch !== null; ) {
      left.push(...batch);
      batch = await server.client.batch({ signal });
    }
    expect(left.map(({ tokens }) => tokens)).toEqual(groups.slice(trained).map(({ tokens }) => tokens));
  });

  test("waits for a rollout API that is away, and says so once each time", async () => {
    await using server = await RolloutServer.start();
    await server.goAway();
    await using directory = await TemporaryDirectory.make();
    const events = new EventBus();
    const notices: string[] = [];
    const told = Promise.withResolvers<void>();
    events.on("notice", ({ code, message }) => {
      if (code !== "ROLLOUT_API_UNREACHABLE") return;
      notices.push(message);
      told.resolve();
    });
    const stop = new AbortController();
    const run = runTrainer({
      apiUrl: server.url,
      policy: toyPolicy(),
      config,
      checkpointDirectory: directory.path,
      events,
      signal: AbortSignal.any([stop.signal, signal]),
    });
    await told.promise;
    await server.comeBack();
    await vi.waitFor(async () => {
      const { batch_size } = await server.client.info({ signal });
      expect(batch_size).toBe(config.batch_size);
    }, 30_000);
    stop.abort();
    expect(await run).toMatchObject({ stopped: true });
    expect(notices).toEqual([expect.stringMatching(/^Waiting for the rollout API\. POST http.*register/)]);
  });

  test("an invalid group ends the run with its place, and its batch is served again", async () => {
    await using server = await RolloutServer.start();
    await using directory = await TemporaryDirectory.make();
    const group = toyGroup(toyPolicy(), { script: [1, 2, "sample"], size: 4, random: seededRandom(3) });
    const masks = group.tokens.map((tokens) => [...tokens]);
    const run = runTrainer({
      apiUrl: server.url,
      policy: toyPolicy(),
      config: { ...config, batch_size: 4 },
      checkpointDirectory: directory.path,
      events: new EventBus(),
      signal,
    });
    const { env_id } = await server.client.registerEnv(
      { max_token_length: 16, desired_name: "toy", weight: 1, group_size: 4, min_batch_allocation: null },
      { signal },
    );
    const wrong = { ...group, masks, scores: [0, 1, 0, 1], env_id };
    await server.client.submitGroups([wrong], { signal });
    await expect(run).rejects.toMatchObject({
      code: "TRAINING_GROUP_INVALID",
      message: expect.stringContaining("group 0, sequence 0, position 0: trained, but"),
    });
    expect(await server.client.batch({ signal })).toHaveLength(1);
  });
});

describe("pushing weights", () => {
  test("is refused with the server's words, and not tried again", async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked += 1;
      response.writeHead(409).end("another shape");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    await expect(publishWeights(toyPolicy(), { url, signal })).rejects.toMatchObject({
      code: "WEIGHTS_PUSH_FAILED",
      message: expect.stringContaining("409 another shape"),
    });
    expect(asked).toBe(1);
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });

  test("shows the URL's password as a token, and waits out a server in trouble", async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers.authorization);
      request.resume();
      if (seen.length === 1) response.writeHead(503).end();
      else response.end('{"version": 0}');
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await publishWeights(toyPolicy(), { url: `http://me:sesame@127.0.0.1:${port}/`, signal });
    expect(seen).toEqual(["Bearer sesame", "Bearer sesame"]);
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });

  test("to a server that is away fails with a code", async () => {
    await expect(
      publishWeights(toyPolicy(), { url: "http://127.0.0.1:9", signal, attempts: 1 }),
    ).rejects.toMatchObject({ code: "WEIGHTS_PUSH_FAILED" });
  });
});
