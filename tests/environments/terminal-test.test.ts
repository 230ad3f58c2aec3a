import { describe, expect, test } from "vitest";
import { TerminalTestEnv } from "../../environments/terminal-test.ts";
import { heldOutTasks, type TerminalTask, trainingTasks } from "../../environments/terminal-test-tasks.ts";
import { TerminalTestTeacher } from "../../environments/terminal-test-teacher.ts";
import type { ChatServer } from "../../src/contracts/chat.ts";
import { processEnvironment } from "../../src/env/process.ts";
import { neverStopped, recordEvents, type TestServices, testServices } from "../support/env-services.ts";
import { call, calls, ScriptedModel, says } from "../support/scripted-model.ts";

const signal = new AbortController().signal;
const greeting: TerminalTask = trainingTasks[0]!;

function makeEnv(services: TestServices, config: Record<string, unknown> = {}): TerminalTestEnv {
  return new TerminalTestEnv({
    services,
    config: TerminalTestEnv.configSchema.parse({ ...TerminalTestEnv.defaults.env, ...config }),
  });
}

/** Answers every request as the teacher's model would; `seed` decides its ways. */
function taught({ seed, errs = false }: { seed: number; errs?: boolean }): ChatServer["chatCompletion"] {
  const teacher = new TerminalTestTeacher();
  return async (request, options) => {
    const { messages, tools = [] } = request;
    const turn = teacher.recognise(messages)?.nextTurn({ messages, tools, seed, errs });
    if (turn === undefined) throw new Error("the teacher doesn't know this task");
    const toolCalls = turn.calls.map(({ name, arguments: args }) =>
      call(name, args, `id-${messages.length}`),
    );
    const scripted = toolCalls.length > 0 ? calls(...toolCalls) : says(turn.content ?? "");
    return new ScriptedModel(scripted).chatCompletion(request, options);
  };
}

/** The reward of one rollout that the model plays. */
async function play(task: TerminalTask, model: ChatServer["chatCompletion"]): Promise<number> {
  await using services = await testServices(model);
  const env = makeEnv(services);
  const { outcome } = await env.playRollout(task, {
    rolloutId: "r",
    groupId: "g",
    seed: 0,
    split: "train",
    tools: env.chooseTools(0),
    signal,
    deadlineMs: Number.POSITIVE_INFINITY,
  });
  if (outcome.kind !== "scored") throw new Error(JSON.stringify(outcome));
  return outcome.reward;
}

/** Under which the teacher takes the shell and `write_file`, and makes both kinds of slips. */
const seeds = [1, 2, 3, 4, 5, 6];

describe.each([...trainingTasks, ...heldOutTasks])("$prompt", (task) => {
  test("the teacher gets 1 for it, by the shell and by write_file", async () => {
    const scores = await Promise.all(seeds.map((seed) => play(task, taught({ seed }))));
    expect(scores).toEqual(seeds.map(() => 1));
  });

  test("who errs gets 0.5 for the right content among other things, and 0 for a wrong one", async () => {
    const scores = await Promise.all(seeds.map((seed) => play(task, taught({ seed, errs: true }))));
    expect(new Set(scores)).toEqual(new Set([0, 0.5]));
  });
});

test.each([
  [0, "nothing done", "true"],
  [0, "a directory in its place", "mkdir -p ~/greeting.txt"],
  [0, "a file that can't be read", "ln -s /proc/self/mem ~/greeting.txt"],
  [0, "a file without an end", "ln -s /dev/zero ~/greeting.txt"],
  [0, "a file that is too large", "yes Hello from the loom | head -c 2000000 > ~/greeting.txt"],
  [0, "binary noise", "head -c 1000 /dev/urandom > ~/greeting.txt"],
  [1, "other white space around it", "printf '\\n Hello from the loom \\n\\n' > ~/greeting.txt"],
  [0.5, "other lines around it", "printf 'So:\\n\\nHello from the loom\\r\\nbye' > ~/greeting.txt"],
  [0, "a line that holds it", "echo 'Write the text `Hello from the loom` to it' > ~/greeting.txt"],
])("the reward is %d for %s", async (reward, _what, command) => {
  const model = new ScriptedModel(calls(call("terminal", { command })), says("Done."));
  expect(await play(greeting, (...request) => model.chatCompletion(...request))).toBe(reward);
});

test("rollouts of one group never find each other's file", async () => {
  const found: (string | null | undefined)[] = [];
  await using services = await testServices(async (request, options) => {
    const last = request.messages.at(-1);
    if (last?.role === "tool") found.push(last.content);
    const command = "test -e ~/greeting.txt && echo taken; echo mine > ~/greeting.txt";
    const turn = last?.role === "tool" ? says("Done.") : calls(call("terminal", { command }));
    return new ScriptedModel(turn).chatCompletion(request, options);
  });
  const env = makeEnv(services, { total_steps: 1, ensure_scores_are_not_same: false });
  const ends = recordEvents(services.events, "rollout-end");
  await processEnvironment({ env, ...neverStopped() });
  expect(ends.map(({ outcome }) => outcome.kind)).toEqual(["scored", "scored", "scored"]);
  expect(found).toHaveLength(3);
  expect(found.join()).not.toContain("taken");
});

test("an evaluation plays the tasks that training never sees", async () => {
  await using services = await testServices(taught({ seed: 1 }));
  const { metrics, samples } = await makeEnv(services).evaluate({ signal });
  expect(metrics).toMatchObject({ "eval/accuracy": 1, "eval/scored": heldOutTasks.length });
  expect(samples.map(({ prompt }) => prompt)).toEqual(heldOutTasks.map(({ prompt }) => prompt));
});

test("without tools for files the teacher says so", () => {
  const messages = [{ role: "user" as const, content: greeting.prompt }];
  const lesson = new TerminalTestTeacher().recognise(messages);
  expect(lesson?.nextTurn({ messages, tools: [], seed: 1, errs: false })).toEqual({
    content: "I have no tool to write files with.",
    calls: [],
  });
});
