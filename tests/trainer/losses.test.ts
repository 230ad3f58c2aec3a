import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { groupAdvantages, policyLoss, supervisedLoss } from "../../src/trainer/losses.ts";

const options = { clipLow: 0.2, clipHigh: 0.3, klCoefficient: 0 };
const logprob = fc.double({ min: -6, max: -0.01, noNaN: true });

describe("the supervised loss", () => {
  test("is the weighted mean, and tokens of weight 0 get no gradient", () => {
    const { loss, derivatives } = supervisedLoss(Float32Array.of(-1, -2, -4), Float32Array.of(1, 0, 0.5), 3);
    expect(loss).toBeCloseTo((1 + 0.5 * 4) / 3, 6);
    expect([...derivatives].map((value) => Math.round(value * 600) + 0)).toEqual([-200, 0, -100]);
  });
});

describe("the policy loss", () => {
  test("its derivative is its slope at every token that is not clipped", () => {
    const token = fc.record({
      now: logprob,
      before: logprob,
      reference: logprob,
      advantage: fc.double({ min: -2, max: 2, noNaN: true }),
    });
    fc.assert(
      fc.property(token, fc.constantFrom(0, 0.1), ({ now, before, reference, advantage }, klCoefficient) => {
        const at = (logprobNow: number) =>
          policyLoss(
            {
              logprobs: new Float32Array([logprobNow]),
              sampledLogprobs: new Float32Array([before]),
              advantages: new Float32Array([advantage]),
              referenceLogprobs: new Float32Array([reference]),
            },
            { ...options, klCoefficient },
            4,
          );
        const ratio = Math.exp(now - before);
        const nearEdge = Math.abs(ratio - 0.8) < 0.02 || Math.abs(ratio - 1.3) < 0.02;
        fc.pre(!nearEdge && ratio < 20);
        const step = 1e-2;
        const slope = (at(now + step).loss - at(now - step).loss) / (2 * step);
        const derivative = at(now).derivatives[0] ?? Number.NaN;
        expect(Math.abs(slope - derivative)).toBeLessThan(0.01 * (1 + Math.abs(derivative)));
      }),
    );
  });

  test.each([
    ["a better token that became much likelier", 1, -1, -2, 0],
    ["a worse token that became much unlikelier", -1, -3, -1, 0],
    ["a worse token that became much likelier", -1, -1, -2, Math.exp(1)],
    ["a better token that became much unlikelier", 1, -2, -1, -Math.exp(-1)],
    ["a better token on its own policy", 1, -1, -1, -1],
  ])("%s", (_, advantage, now, then, derivative) => {
    const { derivatives, clipped } = policyLoss(
      {
        logprobs: Float32Array.of(now),
        sampledLogprobs: Float32Array.of(then),
        advantages: Float32Array.of(advantage),
      },
      options,
      1,
    );
    expect(derivatives[0]).toBeCloseTo(derivative, 5);
    expect(clipped).toBe(derivative === 0 ? 1 : 0);
  });

  test("pulls to the reference from either side", () => {
    const derivativeAt = (now: number) =>
      policyLoss(
        {
          logprobs: Float32Array.of(now),
          sampledLogprobs: Float32Array.of(now),
          advantages: Float32Array.of(0),
          referenceLogprobs: Float32Array.of(-2),
        },
        { ...options, klCoefficient: 1 },
        1,
      ).derivatives[0];
    expect(derivativeAt(-1)).toBeGreaterThan(0);
    expect(derivativeAt(-3)).toBeLessThan(0);
    expect(derivativeAt(-2)).toBeCloseTo(0);
  });
});

describe("advantages within a group", () => {
  test("have mean 0 and length 1, in the order of the scores", () => {
    const advantages = groupAdvantages([0, 1, 1, 0, 0, 0, 0, 0]) ?? [];
    expect(advantages.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0);
    expect(advantages.reduce((sum, value) => sum + value * value, 0) / 8).toBeCloseTo(1);
    expect(advantages[1]).toBeGreaterThan(advantages[0] ?? 0);
  });

  test("of equal scores are none", () => {
    expect(groupAdvantages([0.1, 0.1, 0.1])).toBeNull();
  });
});
