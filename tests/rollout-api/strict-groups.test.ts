/** What is refused at the door, so that no trainer falls over it later; and what is taken as ever. */
import { describe, expect, test } from "vitest";
import { startTestApp, wireEnv, wireGroup, wireRegistration } from "../support/rollout-app.ts";

async function refuse(group: unknown) {
  await using app = startTestApp();
  await app.post("/register", { ...wireRegistration, batch_size: 8 });
  const { status, json } = await app.post("/scored_data", group);
  const { queue_size } = Object((await app.get("/status")).json);
  return { status, detail: Object(json).detail, queue_size };
}

const tokens = [
  [1, 2, 3],
  [4, 5],
];
const masks = tokens;
const scores = [0, 1];
const base = { tokens, masks, scores };

describe("ragged groups are refused before anything is stored", () => {
  test.each([
    ["no sequences", { tokens: [], masks: [], scores: [] }, "too_short", ["tokens"]],
    ["a mask list too few", { ...base, masks: [[1, 2, 3]] }, "length_mismatch", ["masks"]],
    ["no masks", { ...base, masks: [] }, "length_mismatch", ["masks"]],
    ["a short mask", { ...base, masks: [[1, 2, 3], [4]] }, "length_mismatch", ["masks", 1]],
    ["a score too many", { ...base, scores: [0, 1, 2] }, "length_mismatch", ["scores"]],
    [
      "short logprobs",
      {
        ...base,
        inference_logprobs: [
          [1, 2],
          [3, 4],
        ],
      },
      "length_mismatch",
      ["inference_logprobs", 0],
    ],
    ["logprobs of one sequence", { ...base, ref_logprobs: [[1, 2, 3]] }, "length_mismatch", ["ref_logprobs"]],
    [
      "empty advantages per sequence",
      { ...base, advantages: [[], []] },
      "length_mismatch",
      ["advantages", 0],
    ],
    [
      "one conversation",
      { ...base, messages: [[{ role: "user", content: "" }]] },
      "length_mismatch",
      ["messages"],
    ],
    ["one override", { ...base, overrides: [{}] }, "length_mismatch", ["overrides"]],
    [
      "short teacher",
      {
        ...base,
        distill_token_ids: [
          [[1], [1]],
          [[1], [1]],
        ],
      },
      "length_mismatch",
      ["distill_token_ids", 0],
    ],
    [
      "teacher's ids without logprobs",
      {
        ...base,
        distill_token_ids: [
          [[1, 2], [1], [1]],
          [[1], [1]],
        ],
        distill_logprobs: [
          [[-1], [-1], [-1]],
          [[-1], [-1]],
        ],
      },
      "length_mismatch",
      ["distill_logprobs"],
    ],
    [
      "a negative token",
      {
        ...base,
        tokens: [
          [1, 2, -3],
          [4, 5],
        ],
      },
      "greater_than_equal",
      ["tokens", 0, 2],
    ],
    ["a negative env_id", { ...base, env_id: -1 }, "greater_than_equal", ["env_id"]],
  ])("%s", async (_name, group, type, loc) => {
    const { status, detail, queue_size } = await refuse(group);
    expect({ status, queue_size }).toEqual({ status: 422, queue_size: 0 });
    expect(detail[0]).toMatchObject({ type, loc: ["body", ...loc] });
    expect(typeof detail[0].msg).toBe("string");
    expect(detail[0]).toHaveProperty("input");
  });

  test("the message says how long the list should be, not what is in it", async () => {
    const { detail } = await refuse({ ...base, masks: [[1, 2, 3], [4]] });
    expect(detail).toEqual([
      {
        type: "length_mismatch",
        loc: ["body", "masks", 1],
        msg: "List should have 2 items, one per token of the sequence, not 1",
        input: 1,
        ctx: { expected_length: 2, actual_length: 1 },
      },
    ]);
  });

  test("every problem of a group is told", async () => {
    const { detail } = await refuse({ ...base, masks: [[1], [4]], scores: [1] });
    expect(detail.map(({ loc }: { loc: unknown }) => loc)).toEqual([
      ["body", "masks", 0],
      ["body", "masks", 1],
      ["body", "scores"],
    ]);
  });

  test("one bad group of a list keeps all out, and the place has its index", async () => {
    await using app = startTestApp();
    await app.post("/register", wireRegistration);
    const { status, json } = await app.post("/scored_data_list", [wireGroup, { ...wireGroup, scores: [1] }]);
    expect(status).toBe(422);
    expect(Object(json).detail[0].loc).toEqual(["body", 1, "scores"]);
    expect((await app.get("/status")).json).toEqual({ current_step: 0, queue_size: 0 });
  });
});

describe("groups that could never leave", () => {
  test("a group larger than the batch is refused, also in a list", async () => {
    await using app = startTestApp();
    await app.post("/register", wireRegistration);
    const large = { tokens: [[1], [2], [3]], masks: [[1], [2], [3]], scores: [1, 2, 3] };
    const single = await app.post("/scored_data", large);
    expect(single).toMatchObject({
      status: 422,
      json: { detail: [{ type: "value_error", loc: ["body", "tokens"] }] },
    });
    expect(single.text).toContain("A group of 3 sequences can't be part of a batch of 2");
    const list = await app.post("/scored_data_list", [wireGroup, large]);
    expect(list).toMatchObject({ status: 422, json: { detail: [{ loc: ["body", 1, "tokens"] }] } });
    expect((await app.get("/status")).json).toMatchObject({ queue_size: 0 });
  });

  test.each([
    ["/register", { ...wireRegistration, batch_size: 0 }, "batch_size"],
    ["/register-env", { ...wireEnv, group_size: 0 }, "group_size"],
  ])("%s refuses %j for its %s", async (path, body, key) => {
    await using app = startTestApp();
    expect(await app.post(path, body)).toMatchObject({
      status: 422,
      json: {
        detail: [
          {
            type: "greater_than_equal",
            loc: ["body", key],
            msg: "Input should be greater than or equal to 1",
            input: 0,
            ctx: { ge: 1 },
          },
        ],
      },
    });
  });
});

describe("what existing environments send is taken", () => {
  /** What the original's BaseEnv makes of absent optional fields. */
  const absent = { advantages: [], ref_logprobs: [], messages: [], overrides: [], images: [] };

  test("[] for absent optional fields, and served as it came", async () => {
    await using app = startTestApp();
    await app.post("/register", wireRegistration);
    const group = {
      ...wireGroup,
      ...absent,
      inference_logprobs: [],
      distill_token_ids: [],
      distill_logprobs: [],
    };
    expect(await app.post("/scored_data", group)).toMatchObject({
      status: 200,
      json: { status: "received" },
    });
    const { batch } = Object((await app.get("/batch")).json);
    expect(batch[0]).toMatchObject({ ...absent, inference_logprobs: [], group_overrides: null });
  });

  test.each([
    [
      "null for absent optional fields",
      { advantages: null, messages: null, env_id: null, group_overrides: null },
    ],
    ["keys that nobody knows", { seed: 1, ünknown: { tokens: [] }, group_id: { not: "an id" } }],
    ["numbers as strings and floats", { scores: ["1", 0.5], masks: [["1"], [2.0]] }],
    [
      "every sequence masked, as SFT data has it",
      { masks: [[-100], [-100]], group_overrides: { sft: true } },
    ],
    ["images of any kind", { images: ["a", null, 3] }],
    ["an unknown env_id", { env_id: 77 }],
  ])("%s", async (_name, more) => {
    await using app = startTestApp();
    await app.post("/register", wireRegistration);
    expect(await app.post("/scored_data", { ...wireGroup, ...more })).toMatchObject({ status: 200 });
  });

  test("in compat mode also what is ragged", async () => {
    await using app = startTestApp({ compat: true });
    await app.post("/register", wireRegistration);
    const ragged = { tokens: [[1], [-2]], masks: [], scores: [1, 2, 3] };
    expect(await app.post("/scored_data", ragged)).toMatchObject({ status: 200 });
  });
});
