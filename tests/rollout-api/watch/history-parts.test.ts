/** The bounded memories that the server's page is drawn from. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exampleOf } from "../../../src/rollout-api/watch/example-text.ts";
import { Ring } from "../../../src/rollout-api/watch/ring.ts";
import { scoreHistogram } from "../../../src/rollout-api/watch/score-histogram.ts";
import { TimeSeries } from "../../../src/rollout-api/watch/time-series.ts";

describe("Ring", () => {
  test("has the latest items, oldest first", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer({ min: 1, max: 9 }), (items, capacity) => {
        const ring = new Ring<number>(capacity);
        for (const item of items) ring.push(item);
        expect(ring.toArray()).toEqual(items.slice(-capacity));
      }),
    );
  });
});

describe("TimeSeries", () => {
  test("spans the whole run in a bounded number of points, the newest among them", () => {
    const series = new TimeSeries({ capacity: 100, intervalMs: 1000 });
    const seconds = 100_000;
    for (let second = 0; second <= seconds; second++) series.add([second * 1000, second % 7, second]);
    const points = series.points();
    expect(points.length).toBeGreaterThan(40);
    expect(points.length).toBeLessThanOrEqual(101);
    expect(points[0]).toEqual([0, 0, 0]);
    expect(points.at(-1)).toEqual([seconds * 1000, seconds % 7, seconds]);
    const gaps = points.slice(1, -1).map(([time], index) => time - (points[index]?.[0] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * Math.min(...gaps));
  });

  test("points that come faster than the interval take each other's place", () => {
    const series = new TimeSeries({ capacity: 10, intervalMs: 1000 });
    for (const time of [0, 100, 200, 1000, 1100]) series.add([time, time, 0]);
    expect(series.points().map(([time]) => time)).toEqual([0, 1000, 1100]);
  });
});

describe("scoreHistogram", () => {
  test("without scores there is none", () => {
    expect(scoreHistogram([])).toBeNull();
  });

  test.each([
    ["0 and 1", [0, 1, 1], { from: 0, to: 1, mean: 2 / 3 }],
    ["-1 to 1", [-1, 1], { from: -1, to: 1, mean: 0 }],
    ["others", [2, 4], { from: 2, to: 4, mean: 3 }],
    ["all the same", [5, 5], { from: 4.5, to: 5.5, mean: 5 }],
  ])("scores of %s get a fitting axis", (_, scores, expected) => {
    const histogram = scoreHistogram(scores);
    expect(histogram).toMatchObject({ from: expected.from, to: expected.to, count: scores.length });
    expect(histogram?.mean).toBeCloseTo(expected.mean);
  });

  test("every score is in one bin, however large", () => {
    const scores = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 });
    fc.assert(
      fc.property(scores, (values) => {
        const histogram = scoreHistogram(values);
        expect(histogram?.counts.reduce((sum, count) => sum + count)).toBe(values.length);
        expect(histogram?.counts).toHaveLength(20);
      }),
    );
  });
});

describe("exampleOf", () => {
  const bodyOf = (messages: unknown, scores = "[0.5]") =>
    Buffer.from(
      `{"tokens":[[1]],"masks":[[1]],"scores":${scores},"advantages":null,"ref_logprobs":null,"messages":${JSON.stringify(messages)},"generation_params":null`,
    );
  const textsOf = (messages: unknown) =>
    exampleOf(bodyOf([messages]))?.[0]?.messages.map(({ role, text }) => `${role}: ${text}`);

  test("a group without messages is no example, unless its tokens can be decoded", () => {
    expect(exampleOf(bodyOf(null))).toBeNull();
    expect(exampleOf(bodyOf(null), (ids) => `ids ${ids}`)).toEqual([
      { score: 0.5, messages: [{ role: "tokens", text: "ids 1" }] },
    ]);
  });

  test.each([
    ["text", [{ role: "user", content: "hello" }], ["user: hello"]],
    ["nothing", [{ role: "assistant", content: null }], ["assistant: "]],
    [
      "parts",
      [{ role: "user", content: [{ type: "text", text: "see" }, { type: "image_url" }] }],
      ["user: see\n[image_url]"],
    ],
    ["anything", [{ role: 5, content: { a: [1] } }], ['5: {"a":[1]}']],
    [
      "tool calls",
      [
        {
          role: "assistant",
          content: "so",
          tool_calls: [{ function: { name: "python", arguments: '{"code":"1"}' } }, 7],
        },
      ],
      ['assistant: so\n→ python({"code":"1"})\n→ ?()'],
    ],
  ])("content of %s is readable", (_, messages, expected) => {
    expect(textsOf(messages)).toEqual(expected);
  });

  test("long texts, long conversations and large groups are cut, and say so", () => {
    const long = Array.from({ length: 100 }, (_, index) => ({ role: "user", content: `${index}` }));
    const texts = textsOf(long);
    expect(texts).toHaveLength(25);
    expect(texts).toContain("…: 76 messages are left out here");
    expect(texts?.at(-1)).toBe("user: 99");
    expect(textsOf([{ role: "user", content: "x".repeat(5000) }])?.[0]).toMatch(
      /x… \(2000 more characters\)$/,
    );
    expect(exampleOf(bodyOf(Array.from({ length: 50 }, () => [])))).toHaveLength(4);
  });

  test("whatever JSON the messages are, nothing throws", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (messages) => {
        exampleOf(bodyOf(messages));
        exampleOf(bodyOf([messages]));
        exampleOf(bodyOf([[messages]]));
      }),
    );
  });
});
