/** What children of a rollout sample is trained on as the rollout's own: ids exactly as sampled, its score. */
import { expect, test, vi } from "vitest";
import type { AgentResult } from "../../src/agent/agent-result.ts";
import { hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import { HermesAgentBaseEnv } from "../../src/env/hermes-agent-base-env.ts";
import type { Teacher, TeacherTurn, TurnRequest } from "../../src/practice/teacher.ts";
import type { ToolContext } from "../../src/tools/tool-context.ts";
import { expectedSequence, sequencesOf, serveOneBatch } from "../support/token-serve.ts";

// Real servers and sandboxes, on machines that do other work too.
vi.setConfig({ testTimeout: 90_000 });

/** Its work is done where both helpers have left their file, as only they know how. */
class HouseEnv extends HermesAgentBaseEnv<number> {
  static override readonly envName: string = "house";
  static readonly description = "Builds a house with two helpers";
  static readonly configSchema = hermesAgentEnvConfig;
  static readonly defaults = {
    env: { enabled_toolsets: ["delegation", "terminal"], max_agent_turns: 6, max_token_length: 300 },
  };
  #next = 0;

  override async getNextItem(): Promise<number> {
    return this.#next++;
  }

  override formatPrompt(item: number): string {
    return `Build house ${item}.`;
  }

  override async computeReward(_item: number, result: AgentResult, tools: ToolContext): Promise<number> {
    const { output } = await tools.terminal("cat wall roof");
    const told = result.messages.find(({ role }) => role === "tool")?.content;
    return output === "wall\nroof\n" && String(told).includes("The roof is done.") ? 1 : 0;
  }
}

/** Plays the builder and the helpers alike; the builder of an erring rollout wants no roof. */
const builder: Teacher = {
  recognise: () => ({ index: 0, nextTurn }),
};

function nextTurn({ messages, errs }: TurnRequest): TeacherTurn {
  const asked = String(messages.find(({ role }) => role === "user")?.content);
  const isOver = messages.at(-1)?.role === "tool";
  const part = /^Make the (\w+)\./.exec(asked)?.[1];
  if (part !== undefined) {
    return isOver
      ? { content: `The ${part} is done.`, calls: [] }
      : { content: null, calls: [{ name: "terminal", arguments: { command: `echo ${part} > ${part}` } }] };
  }
  if (isOver) return { content: "The house stands.", calls: [] };
  const parts = errs ? ["wall", "wall"] : ["wall", "roof"];
  const tasks = parts.map((name) => ({
    goal: `Make the ${name}.`,
    context: "Be quick.",
    toolsets: ["terminal"],
  }));
  return { content: "Helpers!", calls: [{ name: "delegate_task", arguments: { tasks } }] };
}

test.each([
  ["vllm", "vllm-generate"],
  ["sglang", "sglang"],
] as const)(
  "server_type %s: a group holds its rollouts' and their children's segments",
  async (serverType, shape) => {
    const { batch, log, ended, summary } = await serveOneBatch({
      serverType,
      shape,
      envClass: HouseEnv,
      teacher: builder,
      batchSize: 12,
    });
    expect(summary).toMatchObject({ endedBy: "complete", deadLetters: null });
    // The next group may be under way when the trainer has what it wants, and is then called off.
    expect(ended.filter(({ outcome }) => outcome.kind === "infra-failed")).toEqual([]);
    expect(batch).toHaveLength(1);
    const [group] = batch;
    expect(group?.group_overrides).toMatchObject({ group_size: 12 });

    const sessions = Map.groupBy(
      log.filter(({ fault }) => fault === null),
      ({ session_id: session }) => String(session),
    );
    const told = new Map([...sessions].map(([id, turns]) => [JSON.stringify(expectedSequence(turns)), id]));
    const sequences = sequencesOf(batch);
    for (const sequence of sequences) expect(told.has(JSON.stringify(sequence))).toBe(true);

    const conversations = group?.messages ?? [];
    const scores = group?.scores ?? [];
    // Each rollout: its children in the order they began, then itself; all with one score.
    for (let rollout = 0; rollout < 4; rollout++) {
      const [first, second, own] = [0, 1, 2].map((part) => conversations[3 * rollout + part]);
      expect(first?.[0]).toMatchObject({
        role: "system",
        content: expect.stringContaining("part of a larger task"),
      });
      expect(first?.[1]?.content).toMatch(/^Make the wall\.\n\nWhat you should know:\nBe quick\.$/);
      expect(second?.[1]?.content).toMatch(/^Make the (roof|wall)\./);
      expect(own?.[0]?.content).toMatch(/^Build house \d+\.$/);
      const expected = String(second?.[1]?.content).startsWith("Make the roof") ? 1 : 0;
      expect(scores.slice(3 * rollout, 3 * rollout + 3)).toEqual([expected, expected, expected]);
      const answer = JSON.parse(String(own?.find(({ role }) => role === "tool")?.content));
      expect(answer).toMatchObject({
        results: [
          {
            task_index: 0,
            status: "completed",
            summary: "The wall is done.",
            api_calls: 2,
            exit_reason: "completed",
            tokens: { input: expect.any(Number), output: expect.any(Number) },
            tool_trace: [{ tool: "terminal" }],
          },
          { task_index: 1, status: "completed" },
        ],
      });
    }
    expect([...sessions.keys()].filter((id) => /\.d[12]$/.test(id)).length).toBeGreaterThanOrEqual(8);
  },
);

test("segments: last leaves the children out", async () => {
  const { batch } = await serveOneBatch({
    serverType: "sglang",
    shape: "sglang",
    envClass: HouseEnv,
    teacher: builder,
    batchSize: 4,
    flags: ["--env.segments=last"],
  });
  expect(batch[0]?.messages?.map((conversation) => conversation[0]?.content)).toEqual(
    Array.from({ length: 4 }, () => expect.stringMatching(/^Build house/)),
  );
});
