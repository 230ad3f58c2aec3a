import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { TrainingStep } from "../../src/contracts/training-step.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { loadCheckpoint } from "../../src/trainer/checkpoint.ts";
import { readSupervisedData } from "../../src/trainer/supervised-batch.ts";
import { batchAt, runSupervisedTrainer } from "../../src/trainer/supervised-trainer.ts";
import { sftConfig } from "../../src/trainer/trainer-config.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";
import { toyPolicy } from "../support/toy-policy.ts";

const signal = new AbortController().signal;
const rules = { vocabularySize: 12, contextLength: 16, promptLossWeight: 0.1, minScore: null, signal };

/** What the model is to learn: behind 1 2 comes 5, behind 1 3 comes 7. */
const lesson = (second: number, answer: number, score = 1) => ({
  tokens: [[1, second, answer, 0]],
  masks: [[-100, -100, answer, 0]],
  scores: [score],
});

async function writeGroups(directory: TemporaryDirectory, groups: readonly object[]): Promise<string> {
  const path = join(directory.path, "groups.jsonl");
  await writeFile(path, groups.map((group) => `${JSON.stringify(group)}\n`).join(""));
  return path;
}

describe("data", () => {
  test("has weight 1 where the model spoke, the prompt's elsewhere, and none for the first token", async () => {
    await using directory = await TemporaryDirectory.make();
    const path = await writeGroups(directory, [lesson(2, 5)]);
    const { sequences } = await readSupervisedData([path], rules);
    expect(sequences).toEqual([
      {
        tokens: Int32Array.of(1, 2, 5, 0),
        positions: Int32Array.of(1, 2, 3),
        pulls: Float32Array.of(0.1, 1, 1),
      },
    ]);
    const bare = await readSupervisedData([path], { ...rules, promptLossWeight: 0 });
    expect(bare.sequences[0]?.positions).toEqual(Int32Array.of(2, 3));
  });

  test("leaves out low scores, long sequences and those without an answer, and counts them", async () => {
    await using directory = await TemporaryDirectory.make();
    const masks = [[-100, -100, -100, -100]];
    const long = { tokens: [Array(17).fill(1)], masks: [Array(17).fill(1)], scores: [1] };
    const groups = [lesson(2, 5), lesson(2, 5, 0.2), { ...lesson(3, 7), masks }, long];
    const path = await writeGroups(directory, groups);
    const data = await readSupervisedData([path], { ...rules, minScore: 0.5 });
    expect(data).toMatchObject({ sequences: { length: 1 }, lowScore: 1, untrained: 1, tooLong: 1 });
    await expect(readSupervisedData([path], { ...rules, minScore: 2 })).rejects.toMatchObject({
      code: "TRAINING_DATA_EMPTY",
    });
  });

  test.each([
    [
      "masks shifted by one",
      { ...lesson(2, 5), masks: [[-100, 5, 0, -100]] },
      /groups.jsonl:2: sequence 0, position 1: mask 5/,
    ],
    ["an id that the model doesn't have", lesson(2, 12), /groups.jsonl:2: sequence 0, position 2: token 12/],
    ["a group without masks", { tokens: [[1]], scores: [1] }, /groups.jsonl:2: .*masks/s],
  ])("%s are an error that names the line", async (_, group, message) => {
    await using directory = await TemporaryDirectory.make();
    const path = await writeGroups(directory, [lesson(2, 5), group]);
    await expect(readSupervisedData([path], rules)).rejects.toMatchObject({
      code: "TRAINING_GROUP_INVALID",
      message: expect.stringMatching(message),
    });
  });

  test("placeholder tokens are refused", async () => {
    await using directory = await TemporaryDirectory.make();
    const path = await writeGroups(directory, [
      { ...lesson(2, 5), group_overrides: { placeholder_tokens: true } },
    ]);
    await expect(readSupervisedData([path], rules)).rejects.toMatchObject({
      code: "PLACEHOLDER_TOKENS_REFUSED",
    });
  });

  test("comes once in each epoch, in an order of the epoch's own", () => {
    const sequences = [1, 2, 3, 4, 5].map((id) => ({
      tokens: Int32Array.of(id),
      positions: Int32Array.of(),
      pulls: Float32Array.of(),
    }));
    const drawn = Array.from({ length: 5 }, (_, step) =>
      batchAt(sequences, step, { batch_size: 2, seed: 1 }),
    );
    const ids = drawn.flat().map(({ tokens }) => tokens[0]!);
    expect(ids.slice(0, 5).toSorted()).toEqual([1, 2, 3, 4, 5]);
    expect(ids.slice(5).toSorted()).toEqual([1, 2, 3, 4, 5]);
    expect(ids.slice(5)).not.toEqual(ids.slice(0, 5));
  });
});

describe("supervised training", () => {
  const config = sftConfig.parse({
    steps: 40,
    batch_size: 4,
    learning_rate: 0.03,
    warmup_steps: 3,
    checkpoint_every: 0,
  });

  test("learns its data, and goes on from a checkpoint as if it had never stopped", async () => {
    await using directory = await TemporaryDirectory.make();
    const data = [await writeGroups(directory, [lesson(2, 5), lesson(3, 7), lesson(4, 9)])];
    const play = async (name: string, stopAfter: number, from?: string) => {
      const events = new EventBus();
      const losses: number[] = [];
      const stop = new AbortController();
      events.on("train-step", ({ loss, step }: TrainingStep) => {
        losses.push(loss);
        if (step === stopAfter) stop.abort();
      });
      const resumed = from === undefined ? undefined : await loadCheckpoint(from);
      const end = await runSupervisedTrainer({
        data,
        policy: resumed?.learner.policy ?? toyPolicy(),
        adam: resumed?.learner.adam,
        config,
        checkpointDirectory: join(directory.path, name),
        events,
        signal: stop.signal,
      });
      return { end, losses };
    };
    const whole = await play("whole", 0);
    expect(whole.losses[0]).toBeGreaterThan(1.5);
    expect(whole.losses.at(-1)).toBeLessThan(0.3);
    expect(whole.end).toMatchObject({ stopped: false, policy: { version: 40 } });

    const first = await play("parts", 17);
    expect(first.end).toMatchObject({ stopped: true, policy: { version: 17 } });
    const second = await play("parts", 0, first.end.checkpoint);
    expect(second.losses).toEqual(whole.losses.slice(17));
    expect(second.end.policy).toEqual(whole.end.policy);
  });
});
