import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import { plainBackend, rolloutContext, toolCaller } from "../support/rollout-context.ts";

let backend: SandboxBackend;
let context: EnvRolloutContext;
let call: ReturnType<typeof toolCaller>;

beforeAll(() => {
  backend = plainBackend();
});
beforeEach(() => {
  context = rolloutContext(backend);
  call = toolCaller(context);
});
afterAll(() => backend[Symbol.asyncDispose]());

const first = { id: "1", content: "read", status: "in_progress" };
const second = { id: "2", content: "write", status: "pending" };

test("is empty at first, in every rollout", async () => {
  expect(await call("todo", {})).toEqual({
    ok: true,
    todos: [],
    summary: { total: 0, pending: 0, in_progress: 0, completed: 0, cancelled: 0 },
  });
});

test("is replaced as a whole, or merged by id in the order it had", async () => {
  await call("todo", { todos: [first, { id: "2", content: "write" }] });
  expect(await call("todo", {})).toMatchObject({ todos: [first, second] });
  const third = { id: "3", content: "test", status: "pending" };
  expect(await call("todo", { merge: true, todos: [third, { id: "1", status: "completed" }] })).toEqual({
    ok: true,
    todos: [{ ...first, status: "completed" }, second, third],
    summary: { total: 3, pending: 2, in_progress: 0, completed: 1, cancelled: 0 },
  });
  expect(await call("todo", { todos: [second] })).toMatchObject({ todos: [second] });
  expect(await call("todo", { todos: [] })).toMatchObject({ todos: [], summary: { total: 0 } });
});

test.each<[string, object, RegExp]>([
  ["two items of one id", { todos: [second, { ...second }] }, /Two items have the id "2"/],
  ["a new item without content", { merge: true, todos: [{ id: "9", status: "pending" }] }, /no content/],
  ["a status that is none", { todos: [{ ...second, status: "done" }] }, /Invalid arguments/],
])("says what is wrong with %s, and keeps the list", async (_name, args, error) => {
  await call("todo", { todos: [first] });
  expect(await call("todo", args)).toMatchObject({ ok: false, error: expect.stringMatching(error) });
  expect(await call("todo", {})).toMatchObject({ todos: [first] });
});
