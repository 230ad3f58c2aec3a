/** Continuous batching, step by step and without threads. */
import { describe, expect, test } from "vitest";
import {
  type SampledTokens,
  type SampleJob,
  SequenceBatcher,
} from "../../src/tiny-policy/sequence-batcher.ts";
import { forwardLogprobs, randomPolicy } from "../support/tiny-policy.ts";

const policy = randomPolicy();
const eosId = 2;

const batcherOf = (options: { slots?: number; rowsPerStep?: number } = {}) =>
  new SequenceBatcher(policy, { slots: 4, eosId, decode: (ids) => `${ids.join(" ")} `, ...options });

let jobs = 0;
const jobOf = (changes: Partial<SampleJob> = {}): SampleJob => {
  jobs += 1;
  return {
    job: jobs,
    session: `session-${jobs}`,
    inputIds: [10, 20, 30, 40, 50],
    seeds: [jobs],
    temperature: 1,
    topP: 1,
    topK: 0,
    minP: 0,
    repetitionPenalty: 1,
    maxTokens: 12,
    stop: [],
    stopTokenIds: [],
    topLogprobs: 0,
    ...changes,
  };
};

/** Steps until nothing is left to do; the sequences of each job. */
function run(batcher: SequenceBatcher): Map<number, SampledTokens[]> {
  const done = new Map<number, SampledTokens[]>();
  while (batcher.hasWork) for (const { job, sequences } of batcher.step()) done.set(job, sequences);
  return done;
}

function alone(job: SampleJob): SampledTokens[] {
  const batcher = batcherOf();
  batcher.add(job);
  return run(batcher).get(job.job)!;
}

describe("a batch", () => {
  test("samples each sequence as if it were alone, with a trainer's log-probabilities", () => {
    const batcher = batcherOf({ slots: 3 });
    const asked = Array.from({ length: 9 }, (_, index) =>
      jobOf({
        inputIds: Array.from({ length: 3 + 2 * index }, (_, place) => 7 * index + place),
        seeds: [index, 99],
      }),
    );
    for (const job of asked) {
      batcher.add(job);
      batcher.step();
    }
    const done = run(batcher);
    for (const job of asked) {
      const sequences = done.get(job.job)!;
      expect(sequences).toEqual(alone(job));
      for (const { ids, logprobs } of sequences) {
        expect(logprobs).toEqual(forwardLogprobs(policy, job.inputIds, ids));
      }
    }
  });

  test("reads prompts that are longer than a step takes, while others go on", () => {
    const batcher = batcherOf({ rowsPerStep: 4 });
    const asked = [
      jobOf({ inputIds: [9] }),
      jobOf({ inputIds: Array.from({ length: 30 }, (_, i) => i + 5) }),
    ];
    for (const job of asked) batcher.add(job);
    const done = run(batcher);
    for (const job of asked) expect(done.get(job.job)).toEqual(alone(job));
  });

  test("ends at EOS, a stop id, a stop string, the limit, or the end of the context", () => {
    const [free] = alone(jobOf({ seeds: [5], maxTokens: 8 }));
    const ids = free!.ids;
    expect(free).toMatchObject({ finish: "length", stopReason: null });
    expect(alone(jobOf({ seeds: [5], stopTokenIds: [ids[3]!] }))).toMatchObject([
      { ids: ids.slice(0, 4), finish: "stop", stopReason: ids[3] },
    ]);
    const stop = `${ids[1]} ${ids[2]} `;
    expect(alone(jobOf({ seeds: [5], stop: ["none", stop] }))).toMatchObject([
      { ids: ids.slice(0, 3), finish: "stop", stopReason: stop },
    ]);
    const [whole] = alone(jobOf({ seeds: [5], maxTokens: null }));
    if (whole!.finish === "length") expect(whole!.ids).toHaveLength(policy.config.context_length - 5);
    else expect(whole!.ids.at(-1)).toBe(eosId);
    const ended = new SequenceBatcher(policy, { slots: 1, eosId: ids[2]!, decode: String });
    const job = jobOf({ seeds: [5], stopTokenIds: [ids[2]!] });
    ended.add(job);
    expect(run(ended).get(job.job)).toMatchObject([
      { ids: ids.slice(0, 3), finish: "stop", stopReason: null },
    ]);
  });
});

describe("a session's next turn", () => {
  test("reads only what its slot does not hold, and is sampled as if all were new", () => {
    const batcher = batcherOf();
    const first = jobOf({ session: "a", seeds: [1] });
    batcher.add(first);
    const [{ ids }] = run(batcher).get(first.job)! as [SampledTokens];
    const next = jobOf({ session: "a", seeds: [2], inputIds: [...first.inputIds, ...ids, 60, 61] });
    const before = batcher.statistics();
    batcher.add(next);
    expect(run(batcher).get(next.job)).toEqual(alone(next));
    const after = batcher.statistics();
    // The last sampled id was never read: nothing came after it.
    expect(after.cachedTokens - before.cachedTokens).toBe(first.inputIds.length + ids.length - 1);
    expect(after.readTokens - before.readTokens).toBe(3);
  });

  test("goes on from where its history was changed", () => {
    const batcher = batcherOf();
    const first = jobOf({ session: "a" });
    batcher.add(first);
    run(batcher);
    const changed = jobOf({ session: "a", inputIds: [10, 20, 31, 40, 50, 60] });
    batcher.add(changed);
    expect(run(batcher).get(changed.job)).toEqual(alone(changed));
    expect(batcher.statistics().cachedTokens).toBe(2);
  });

  test("finds its tokens although others have played meanwhile, as long as slots last", () => {
    const batcher = batcherOf({ slots: 2 });
    const play = (session: string) => {
      const before = batcher.statistics().cachedTokens;
      batcher.add(jobOf({ session, inputIds: [session.charCodeAt(0), 20, 30, 40, 50], maxTokens: 1 }));
      run(batcher);
      return batcher.statistics().cachedTokens - before;
    };
    expect(["a", "b", "a", "c", "a", "b"].map(play)).toEqual([0, 0, 4, 0, 4, 0]);
  });
});

describe("a change of weights", () => {
  const next = randomPolicy(2, 9);

  test("waits for what runs, and holds back what waits", () => {
    const batcher = batcherOf({ slots: 2 });
    const [running, waiting] = [jobOf({ session: "a" }), jobOf({ session: "a" })];
    batcher.add(running);
    batcher.step();
    let isDone = false;
    batcher.changeWeights(next.weights, next.version, () => {
      isDone = true;
    });
    batcher.add(waiting);
    batcher.step();
    expect(isDone).toBe(false);
    const done = run(batcher);
    expect(isDone).toBe(true);
    const [[old], [young]] = [done.get(running.job)!, done.get(waiting.job)!];
    expect(old).toMatchObject({ version: 0, logprobs: forwardLogprobs(policy, running.inputIds, old!.ids) });
    expect(young).toMatchObject({
      version: 9,
      logprobs: forwardLogprobs(next, waiting.inputIds, young!.ids),
    });
    expect(batcher.statistics().cachedTokens).toBe(0);
  });

  test("happens during a pause as well, which goes on after it", () => {
    const batcher = batcherOf();
    const told: string[] = [];
    batcher.pause(() => told.push("paused"));
    const job = jobOf();
    batcher.add(job);
    run(batcher);
    batcher.changeWeights(next.weights, next.version, () => told.push("changed"));
    run(batcher);
    expect([told, batcher.statistics().waiting]).toEqual([["paused", "changed"], 1]);
    batcher.resume();
    expect(run(batcher).get(job.job)).toMatchObject([{ version: 9 }]);
  });
});

test("a cancelled job leaves the batch at once, and its slots to others", () => {
  const batcher = batcherOf({ slots: 2 });
  const gone = jobOf({ seeds: [1, 2, 3], maxTokens: null });
  batcher.add(gone);
  batcher.step();
  batcher.cancel(gone.job);
  expect(batcher.hasWork).toBe(false);
  const job = jobOf();
  batcher.add(job);
  const done = run(batcher);
  expect(done.get(job.job)).toEqual(alone(job));
  expect(done.has(gone.job)).toBe(false);
});
