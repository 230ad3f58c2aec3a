/** What a trainer and its people are told of what it can't do. */
import { pino } from "pino";
import { expect, test } from "vitest";
import { createRolloutApi } from "../../src/rollout-api/app.ts";
import { MemoryStores } from "../../src/rollout-api/memory-store.ts";

const registration = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 4,
  max_token_len: 128,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 10,
};
const withoutLogprobs = { tokens: [[1, 2]], masks: [[-100, 2]], scores: [1] };

function startServer({ compat = false } = {}) {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: "warn" }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const app = createRolloutApi({ stores: new MemoryStores(), logger, compat });
  const post = async (url: string, payload: object) => {
    const response = await app.inject({ method: "POST", url, payload });
    expect(response.statusCode).toBe(200);
    return response.json();
  };
  const events = (event: string) => lines.filter((line) => line.event === event);
  return { app, post, events };
}

test("a trainer that can't train multi-turn groups hears of it at its registration, and so does the log", async () => {
  const { post, events } = startServer();
  const answer = await post("/register", { ...registration, trainer_kind: "Axolotl" });
  expect(answer.warnings).toEqual([
    expect.stringContaining("ignores masks"),
    expect.stringContaining("num_generations"),
  ]);
  expect(events("trainer-advice")).toEqual([
    expect.objectContaining({ run: "default", trainerKind: "Axolotl", warnings: answer.warnings }),
  ]);
});

test.each(["example", "my-own-trainer", "constructor"])("%s needs no advice", async (trainerKind) => {
  const { post, events } = startServer();
  expect((await post("/register", { ...registration, trainer_kind: trainerKind })).warnings).toEqual([]);
  expect(events("trainer-advice")).toEqual([]);
});

test("a trainer that does not say what it is gets the original's answer", async () => {
  const { post } = startServer();
  expect(Object.keys(await post("/register", registration))).toEqual(["uuid"]);
});

test("what a second registration asks for in vain is told to the log, and to a trainer that says what it is", async () => {
  const { post, events } = startServer();
  await post("/register", registration);
  await post("/register", registration);
  expect(events("registration-ignored")).toEqual([]);

  const other = { ...registration, batch_size: 8, wandb_project: "q" };
  expect(Object.keys(await post("/register", other))).toEqual(["uuid"]);
  const { warnings } = await post("/register", { ...other, trainer_kind: "example" });
  expect(warnings).toEqual([expect.stringContaining("batch_size is 4, not 8, wandb_project is p, not q")]);
  expect(events("registration-ignored")).toEqual([
    expect.objectContaining({ run: "default", level: 40, msg: warnings[0] }),
    expect.objectContaining({ run: "default", level: 40, msg: warnings[0] }),
  ]);
});

test("compat knows no trainer_kind", async () => {
  const { post } = startServer({ compat: true });
  expect(Object.keys(await post("/register", { ...registration, trainer_kind: "axolotl" }))).toEqual([
    "uuid",
  ]);
});

test("a trainer_kind that is no text is refused", async () => {
  const { app } = startServer();
  const payload = { ...registration, trainer_kind: 7 };
  const response = await app.inject({ method: "POST", url: "/register", payload });
  expect(response.statusCode).toBe(422);
  expect(response.json().detail[0]).toMatchObject({ type: "string_type", loc: ["body", "trainer_kind"] });
});

test("groups without logprobs are told of once per environment", async () => {
  const { post, events } = startServer();
  await post("/register", registration);
  await post("/scored_data", { ...withoutLogprobs, env_id: 0 });
  await post("/scored_data_list", [withoutLogprobs, { ...withoutLogprobs, env_id: 0 }]);
  await post("/scored_data", { ...withoutLogprobs, inference_logprobs: [[1, -0.5]], env_id: 1 });
  // By the careful reader, because of the number that is a text.
  await post("/scored_data", { ...withoutLogprobs, scores: ["1"], inference_logprobs: null, env_id: 2 });
  expect(events("logprobs-missing").map(({ envId }) => envId)).toEqual([0, null, 2]);
});

test("a trainer that reads no logprobs misses none, and a reset run is told anew", async () => {
  const { app, post, events } = startServer();
  await post("/register", { ...registration, trainer_kind: "axolotl" });
  await post("/scored_data", withoutLogprobs);
  expect(events("logprobs-missing")).toEqual([]);

  await app.inject({ method: "POST", url: "/reset_data" });
  await post("/register", { ...registration, trainer_kind: "tinker" });
  await post("/scored_data", withoutLogprobs);
  expect(events("logprobs-missing")).toHaveLength(1);
});
