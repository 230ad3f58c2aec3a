import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type BudgetedResult,
  defaultResultBudget,
  fitResults,
  type ResultBudget,
} from "../../src/agent/result-budget.ts";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { Tool } from "../../src/contracts/tool.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import { builtinTools } from "../../src/tools/builtin-tools.ts";
import { plainBackend, rolloutContext, toolCaller } from "../support/rollout-context.ts";

let backend: SandboxBackend;
let context: EnvRolloutContext;
beforeAll(() => {
  backend = plainBackend();
  context = rolloutContext(backend);
});
afterAll(async () => {
  await context[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

const tools = new Map(builtinTools().map((tool) => [tool.name, tool]));
const result = (name: string, content: string, tool = "terminal"): BudgetedResult => ({
  name,
  tool,
  content,
});
const within = (
  results: BudgetedResult[],
  budget: Partial<ResultBudget>,
  map: ReadonlyMap<string, Tool> = tools,
) =>
  fitResults(results, {
    budget: { ...defaultResultBudget, previewChars: 20, ...budget },
    tools: map,
    context,
  });
const isSpilled = (content: string | undefined) => content?.startsWith("<truncated_result>");
const lines = (count: number) => Array.from({ length: count }, (_, n) => `line ${n + 1}`).join("\n");

describe("one result", () => {
  test("within its limit stays as it is", async () => {
    expect(await within([result("a", "x".repeat(50))], { resultChars: 50 })).toEqual(["x".repeat(50)]);
  });

  test("beyond it goes whole into a file that the model can page through", async () => {
    const whole = lines(100);
    const [content] = await within([result("turn-1-call-1", whole)], { resultChars: 100 });
    expect(content).toContain(`${whole.length} characters`);
    expect(content).toContain("line 1\nline 2\n</truncated_result>");
    const path = /is in (\S+\.txt):/.exec(content ?? "")?.[1];
    expect(path).toMatch(/\/turn-1-call-1\.txt$/);
    const page = await toolCaller(context)("read_file", { path, offset: 99 });
    expect(page).toMatchObject({ content: "    99|line 99\n   100|line 100", total_lines: 100 });
  });

  test("is previewed up to a line end only where that leaves more than half", async () => {
    const [content] = await within([result("b", `ab\n${"x".repeat(100)}`)], { resultChars: 10 });
    expect(content).toContain(`ab\n${"x".repeat(17)}\n</truncated_result>`);
  });

  test("is only cut where the rollout has no read_file tool, or the file can't be written", async () => {
    const without = new Map([...tools].filter(([name]) => name !== "read_file"));
    const [cut] = await within([result("c", "x".repeat(100))], { resultChars: 10 }, without);
    expect(cut).toContain("The rest was cut.");
    expect(cut).not.toContain(".txt");

    const sandbox = await context.sandbox();
    await sandbox.exec(
      { shell: "rm -rf .lachesis; touch .lachesis" },
      { timeoutMs: 9_000, signal: context.signal },
    );
    const [unwritten] = await within([result("d", "x".repeat(100))], { resultChars: 10 });
    expect(unwritten).toContain("The rest was cut.");
    await sandbox.exec({ shell: "rm .lachesis" }, { timeoutMs: 9_000, signal: context.signal });
  });

  test.each<[string, string, number, boolean]>([
    ["an override wins over the tool's own limit", "chatty", 60, true],
    ["the tool's own limit wins over the default", "roomy", 60, false],
    ["the default holds otherwise", "terminal", 60, true],
    ["read_file is never spilled, whatever the override says", "read_file", 1000, false],
  ])("%s", async (_name, tool, length, spilled) => {
    const limited = new Map(tools);
    const terminal = tools.get("terminal")!;
    limited.set("chatty", { ...terminal, name: "chatty", maxResultChars: 1000 });
    limited.set("roomy", { ...terminal, name: "roomy", maxResultChars: 1000 });
    const budget = { resultChars: 50, overrides: { chatty: 30, read_file: 1 } };
    const [content] = await within([result("e", "x".repeat(length), tool)], budget, limited);
    expect(isSpilled(content)).toBe(spilled);
  });
});

describe("the results of one turn", () => {
  test("give way largest first, only until they fit, and keep their order", async () => {
    const sizes = [3_000, 9_000, 5_000, 100];
    const results = sizes.map((size, n) => result(`f${n}`, "x".repeat(size)));
    const contents = await within(results, { turnChars: 9_000 });
    expect(contents.map(isSpilled)).toEqual([false, true, false, false]);
    expect(contents[2]).toHaveLength(5_000);
    const tighter = await within(results, { turnChars: 4_000 });
    expect(tighter.map(isSpilled)).toEqual([false, true, true, false]);
  });

  test("that fit together stay", async () => {
    const contents = await within([result("g", "x".repeat(50)), result("h", "y".repeat(50))], {
      turnChars: 100,
    });
    expect(contents.map((content) => content.length)).toEqual([50, 50]);
  });

  test("leave pages of read_file and results that a preview would not shorten alone", async () => {
    const results = [
      result("i", "x".repeat(5_000), "read_file"),
      result("j", "y".repeat(20)),
      result("k", "z".repeat(900)),
    ];
    const contents = await within(results, { turnChars: 100 });
    expect(contents.map(isSpilled)).toEqual([false, false, true]);
  });
});

test("an aborted rollout rejects instead of cutting", async () => {
  const rollout = new AbortController();
  await using aborted = rolloutContext(backend, { signal: rollout.signal });
  rollout.abort(new Error("stopped"));
  const fitting = fitResults([result("l", "x".repeat(100))], {
    budget: { ...defaultResultBudget, resultChars: 10 },
    tools,
    context: aborted,
  });
  await expect(fitting).rejects.toThrow("stopped");
});
