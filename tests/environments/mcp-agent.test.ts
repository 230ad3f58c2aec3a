import { describe, expect, test } from "vitest";
import { mcpCheck, passes } from "../../environments/mcp-agent/checks.ts";
import { bundledMcpTasks, mcpTask } from "../../environments/mcp-agent/rows.ts";
import { type McpAgentConfig, McpAgentEnv, mcpAgentConfig } from "../../environments/mcp-agent.ts";
import { McpAgentTeacher, readMcpTasks } from "../../environments/mcp-agent-teacher.ts";
import type { ChatServer } from "../../src/contracts/chat.ts";
import { PolicyServer } from "../../src/env/policies.ts";
import { startEnvironment } from "../../src/env/start-environment.ts";
import { validateEnvironment } from "../../src/env/validate.ts";
import { McpServers } from "../../src/tools/mcp/mcp-servers.ts";
import { ToolContext } from "../../src/tools/tool-context.ts";
import { noToolServices } from "../../src/tools/tool-services.ts";
import { testServices } from "../support/env-services.ts";
import { plainBackend, rolloutContext } from "../support/rollout-context.ts";
import { call, calls, ScriptedModel, says } from "../support/scripted-model.ts";

const { signal } = new AbortController();
const { rows: tasks } = await readMcpTasks(Object.values(bundledMcpTasks), { signal });

/** The environment with its server, whose model answers as told. */
async function open(answer: ChatServer["chatCompletion"], config: Partial<McpAgentConfig> = {}) {
  const started = new AsyncDisposableStack();
  const parsed = mcpAgentConfig.parse({ ...McpAgentEnv.defaults.env, ...config });
  const mcp = started.use(new McpServers(parsed.mcp_servers));
  const services = started.use(await testServices(answer));
  const env = new McpAgentEnv({
    config: parsed,
    services: { ...services, tools: { ...noToolServices, mcp } },
  });
  return { env, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

function taught(errs: boolean): ChatServer["chatCompletion"] {
  const teacher = new McpAgentTeacher(tasks);
  return async (request, options) => {
    const { messages, tools = [] } = request;
    const turn = teacher.recognise(messages)?.nextTurn({ messages, tools, seed: 3, errs });
    if (turn === undefined) throw new Error("the teacher doesn't know this task");
    const [only] = turn.calls;
    const scripted = only ? calls(call(only.name, only.arguments)) : says(turn.content ?? "");
    return new ScriptedModel(scripted).chatCompletion(request, options);
  };
}

test("every bundled task is solved by its solution, and no cheat is paid", async () => {
  const server = new PolicyServer();
  await using opened = await open((request) => server.chatCompletion(request));
  const report = await validateEnvironment({ env: opened.env, server, items: 10, signal });
  expect(report.policies.filter(({ passes: passed }) => !passed)).toEqual([]);
  expect(report.policies[0]).toMatchObject({ policy: "gold", scored: 10, least: 1 });
  expect(
    report.policies.filter(({ policy }) => policy.startsWith("cheat")).map(({ scored }) => scored > 2),
  ).toEqual([true, true, true]);
});

test.each([
  ["solves every held-out task", false, 1],
  ["that errs solves none", true, 0],
])("the teacher %s", async (_what, errs, accuracy) => {
  await using opened = await open(taught(errs));
  await using _started = await startEnvironment(opened.env, signal);
  const evaluation = await opened.env.evaluate({ signal });
  expect(evaluation?.metrics).toMatchObject({ "eval/accuracy": accuracy, "eval/scored": 5 });
});

test("the model gets the servers' tools and no shell, unless it is named", async () => {
  const names = async (config: Partial<McpAgentConfig>) => {
    await using opened = await open(taught(false), config);
    await using _started = await startEnvironment(opened.env, signal);
    return opened.env.chooseTools(1).map(({ name }) => name);
  };
  const shop = await names({});
  expect(shop).toContain("mcp_inventory_add_stock");
  expect(shop.every((name) => name.startsWith("mcp_inventory_"))).toBe(true);
  expect(await names({ enabled_toolsets: ["terminal", "mcp-inventory"] })).toContain("terminal");
});

test("rollouts have a shop of their own: what one books, no other sees", async () => {
  const seen: string[] = [];
  await using opened = await open(async (request, options) => {
    const last = request.messages.at(-1);
    if (last?.role === "tool") seen.push(last.content);
    const turn =
      last?.role === "tool"
        ? says("Done.")
        : calls(call("mcp_inventory_add_stock", { code: "RUG-1", quantity: 1, reason: "x" }));
    return new ScriptedModel(turn).chatCompletion(request, options);
  });
  await using _started = await startEnvironment(opened.env, signal);
  await opened.env.evaluate({ signal });
  expect(seen).toHaveLength(5);
  for (const result of seen) expect(JSON.parse(JSON.parse(result).result)).toMatchObject({ quantity: 5 });
});

describe("a check", () => {
  const said = (content: string) => ({ messages: [{ role: "assistant" as const, content }] });

  test.each([
    ["the answer stands on the last line", { answer: "17" }, said("Let me see.\n**17**."), true],
    ["the answer stands elsewhere", { answer: "17" }, said("17 lamps\nDone."), false],
    ["the answer was only thought", { answer: "17" }, said("<think>17</think>"), false],
    ["a file has the value", { file: "s.json", at: "/a~1b/0", equals: { y: 2, x: 1 } }, said(""), true],
    ["a file has another", { file: "s.json", at: "/a~1b/0", equals: { x: 1 } }, said(""), false],
    ["a file has no such place", { file: "s.json", at: "/length", equals: 1 }, said(""), false],
    ["a file is missing", { file: "none.json", equals: null }, said(""), false],
    ["a file is a folder", { file: ".", equals: null }, said(""), false],
    ["a file is no JSON", { file: "text", equals: "hello" }, said(""), false],
    ["a text is the same", { file: "text", text: "hello" }, said(""), true],
    ["a command says it", { command: "cat text", output: "hello" }, said(""), true],
    ["a command fails", { command: "cat text; exit 3" }, said(""), false],
    ["a command shall fail", { command: "exit 3", exit_code: 3 }, said(""), true],
  ])("where %s", async (_what, check, result, expected) => {
    await using backend = plainBackend();
    await using context = rolloutContext(backend);
    const toolContext = new ToolContext({ context, tools: [] });
    await toolContext.writeFile("s.json", '{"a/b": [{"x": 1, "y": 2}]}');
    await toolContext.writeFile("text", "hello\n");
    expect(await passes(mcpCheck.parse(check), result, toolContext)).toBe(expected);
  });

  test("asks a tool, in the rollout's own session", async () => {
    const tool = "mcp_inventory_show_item";
    const task = mcpTask.parse({
      prompt: "Add two rugs.",
      checks: JSON.stringify([{ tool, arguments: { code: "RUG-1" }, at: "/result", equals: "?" }]),
    });
    await using opened = await open(taught(false));
    await using _started = await startEnvironment(opened.env, signal);
    await using backend = plainBackend();
    await using context = rolloutContext(backend);
    const toolContext = new ToolContext({ context, tools: opened.env.chooseTools(1) });
    await toolContext.callTool("mcp_inventory_add_stock", { code: "RUG-1", quantity: 2, reason: "r" });
    const { content } = await toolContext.callTool(tool, { code: "RUG-1" });
    const [check] = task.checks;
    if (check === undefined) throw new Error("no check");
    expect(await passes(check, said(""), toolContext)).toBe(false);
    const right = mcpCheck.parse({ ...check, equals: JSON.parse(content).result });
    expect(content).toContain('quantity\\": 6');
    expect(await passes(right, said(""), toolContext)).toBe(true);
  });
});

test.each([
  ["no checks", { prompt: "Go.", checks: [] }],
  ["a check of no kind", { prompt: "Go.", checks: [{ files: "a" }] }],
  ["checks that are no JSON", { prompt: "Go.", checks: "[" }],
])("a row with %s is none", (_what, row) => {
  expect(mcpTask.safeParse(row).success).toBe(false);
});
