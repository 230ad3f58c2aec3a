import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/practice/seeded-random.ts";
import { readGroup } from "../../src/trainer/batch.ts";
import { GradientPool, splitIntoShards } from "../../src/trainer/gradient-pool.ts";
import type { Objective, ShardSequence } from "../../src/trainer/shard.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";
import { toyConfig, toyGroup, toyPolicy } from "../support/toy-policy.ts";

const policy = toyPolicy();
const { weights } = policy;
const signal = new AbortController().signal;
const rules = { vocabularySize: 12, contextLength: 16, step: 0, maxStaleness: null };

function sampledSequences() {
  const random = seededRandom(3);
  const short = toyGroup(policy, { script: [1, "sample", "sample", 2, "sample"], size: 6, random });
  const long = toyGroup(policy, { script: [4, 5, "sample", 7, 8, "sample", "sample"], size: 5, random });
  return [...readGroup(short, 0, rules).sequences, ...readGroup(long, 1, rules).sequences];
}

function policyObjective(sequences: readonly ShardSequence[]): Objective {
  const tokenCount = sequences.reduce((sum, { positions }) => sum + positions.length, 0);
  return { kind: "policy", tokenCount, options: { clipLow: 0.2, clipHigh: 0.2, klCoefficient: 0 } };
}

const poolOf = (given: { threads?: number; shards?: number; tokensPerPass?: number } = {}) =>
  new GradientPool({ config: toyConfig, shards: 3, threads: 2, tokensPerPass: 4096, ...given });

describe("GradientPool", () => {
  const sequences = sampledSequences();
  const objective = policyObjective(sequences);

  test("recomputes the log-probabilities that the decoder sampled with, within 1e-4", async () => {
    await using pool = poolOf();
    const { logprobs } = await pool.run(sequences, { weights, objective, signal });
    for (const [index, { sampledLogprobs }] of sequences.entries()) {
      expect([...logprobs[index]!]).toEqual([...sampledLogprobs].map((value) => expect.closeTo(value, 4)));
    }
  });

  test("gives the same to the bit with any number of threads", async () => {
    const results = [];
    for (const threads of [1, 2, 3]) {
      await using pool = poolOf({ threads });
      // Twice: what a thread computed before must not matter.
      await pool.run(sequences.toReversed(), { weights, objective, signal });
      results.push(await pool.run(sequences, { weights, objective, signal }));
    }
    expect(results[0]?.gradient?.some((value) => value !== 0)).toBe(true);
    for (const result of results) expect(result).toEqual(results[0]);
  });

  test("gives nearly the same however the batch is cut", async () => {
    await using whole = poolOf({ shards: 1 });
    await using cut = poolOf({ shards: 3, tokensPerPass: 9 });
    const call = { weights, objective, signal };
    const one = await whole.run(sequences, call);
    const other = await cut.run(sequences, call);
    expect(other.loss).toBeCloseTo(one.loss, 6);
    expect(other.divergence).toBeCloseTo(one.divergence, 6);
    const worst = Math.max(...one.gradient!.map((value, at) => Math.abs(value - other.gradient![at]!)));
    expect(worst).toBeLessThan(1e-5);
  });

  test("a masked position pulls at no weight: what stands there as label, logprob or advantage is never read", async () => {
    // A sequence whose only trained id is at position 1: ids behind it can't matter.
    const base = {
      positions: Int32Array.of(1),
      pulls: Float32Array.of(1),
      sampledLogprobs: Float32Array.of(-2),
    };
    await using pool = poolOf({ shards: 1 });
    const call = { weights, objective: policyObjective([{ ...base, tokens: Int32Array.of(3, 5) }]), signal };
    const one = await pool.run([{ ...base, tokens: Int32Array.of(3, 5, 6, 7) }], call);
    const other = await pool.run([{ ...base, tokens: Int32Array.of(3, 5, 9, 1) }], call);
    const without = await pool.run([{ ...base, tokens: Int32Array.of(3, 5) }], call);
    expect(other.gradient).toEqual(one.gradient);
    expect(without.gradient).toEqual(one.gradient);
  });

  test("a pull of 0 gives no gradient at all", async () => {
    await using pool = poolOf();
    const zeroed = sequences.map((sequence) => ({ ...sequence, pulls: sequence.pulls.map(() => 0) }));
    const { gradient } = await pool.run(zeroed, { weights, objective, signal });
    expect(gradient?.every((value) => value === 0)).toBe(true);
  });

  test("a thread that dies is an error with a code, and the next batch is computed all the same", async () => {
    await using pool = poolOf();
    const broken = { tokens: Int32Array.of(1, 2), positions: Int32Array.of(1), pulls: Float32Array.of(1) };
    const call = { weights, objective, signal };
    await expect(pool.run([broken], { ...call, weights: new Float32Array(3) })).rejects.toMatchObject({
      code: "TRAINER_THREAD_FAILED",
      message: expect.stringContaining("weights"),
    });
    expect((await pool.run(sequences, call)).gradient).not.toBeNull();
  });

  test("stops with its signal's reason, and computes the next batch", async () => {
    await using pool = poolOf();
    const stop = new AbortController();
    const run = pool.run(sequences, { weights, objective, signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(run).rejects.toThrow("enough");
    await expect(pool.run(sequences, { weights, objective, signal: stop.signal })).rejects.toThrow("enough");
    expect((await pool.run(sequences, { weights, objective, signal })).gradient).not.toBeNull();
  });

  test("a result that comes while its thread is being stopped lets nobody leave before the stop", async () => {
    await using directory = await TemporaryDirectory.make();
    const source = join(import.meta.dirname, "../../src");
    const program = `
      import { GradientPool } from ${JSON.stringify(join(source, "trainer/gradient-pool.ts"))};
      import { initialParameters } from ${JSON.stringify(join(source, "tiny-policy/engine/parameters.ts"))};
      const config = ${JSON.stringify(toyConfig)};
      const weights = initialParameters(config, Math.random);
      const sequence = { tokens: Int32Array.of(3, 5), positions: Int32Array.of(1), pulls: Float32Array.of(1) };
      const pool = new GradientPool({ config, shards: 1, threads: 1, tokensPerPass: 64 });
      const call = { weights, objective: { kind: "supervised", weightSum: 1 } };
      await pool.run([sequence], { ...call, signal: new AbortController().signal });
      const stop = new AbortController();
      const run = pool.run([sequence], { ...call, signal: stop.signal });
      // The thread has computed it, and this thread has not heard of it yet.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      stop.abort(new Error("enough"));
      await run.catch((error) => console.log(error.message));`;
    const file = join(directory.path, "leaves.mts");
    await writeFile(file, program);
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: "utf8" });
    expect([status, stdout, stderr]).toEqual([0, "enough\n", ""]);
  });

  test("an empty batch has no gradient", async () => {
    await using pool = poolOf();
    expect(await pool.run([], { weights, objective, signal })).toMatchObject({
      gradient: null,
      logprobs: [],
    });
  });
});

describe("shards", () => {
  test("are about equal in tokens and keep the order of sequences", () => {
    const lengths = [9, 2, 2, 5, 4, 8];
    const sequences = lengths.map((length) => ({
      tokens: new Int32Array(length),
      positions: new Int32Array(),
      pulls: new Float32Array(),
    }));
    expect(splitIntoShards(sequences, 2)).toEqual([
      [0, 1, 4],
      [2, 3, 5],
    ]);
    expect(splitIntoShards(sequences.slice(0, 1), 2)).toEqual([[0]]);
  });
});
