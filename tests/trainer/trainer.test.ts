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
import { runTrainer } from "../../src/trainer/trainer.ts";
import { grpoConfig } from "../../src/trainer/trainer-config.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";
import { TestTrainer as RolloutServer } from "../support/test-trainer.ts";
import { toyGroup, toyPolicy } from "../support/toy-policy.ts";

vi.setConfig({ testTimeout: 60_000 });

const config = grpoConfig.parse({
  batch_size: 32,
  learning_rate: 0.01,
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
      await new Promise((resolve) => setTimeout(resolve, 2));
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
      config: { ...config, steps: 30 },
      checkpointDirectory: directory.path,
      events,
      signal: server.signal,
    });
    stop.abort(new Error("the test is over"));
    expect(await played).toMatchObject({ message: "the test is over" });

    const rewards = steps.map(({ reward }) => reward ?? Number.NaN);
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(rewards.slice(0, 3))).toBeLessThan(0.9);
    expect(mean(rewards.slice(-3))).toBeGreaterThan(2);
    expect(Math.max(...steps.map(({ drift }) => drift ?? 0))).toBeLessThan(1e-4);
    expect(steps.filter(({ drift }) => drift !== null).length).toBeGreaterThan(20);
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));

    expect(end).toMatchObject({ stopped: false, policy: { version: 30 } });
    expect(receiver.latest()).toEqual(end.policy);
    const saved = await loadCheckpoint(directory.path);
    expect(saved.learner.policy).toEqual(end.policy);
    // A batch that taught nothing is a step, but none of the optimizer's.
    expect(saved.learner.adam.steps).toBe(steps.filter(({ gradientNorm }) => gradientNorm > 0).length);
  });
});
