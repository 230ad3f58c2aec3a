import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openToolServices } from "../../src/cli/tool-services.ts";
import { recordEvents, testServices } from "../support/env-services.ts";
import { answer, rightAnswer, SumsEnv } from "../support/sums-env.ts";

const directory = fileURLToPath(new URL("../fixtures/mcp", import.meta.url));
const mcp_servers = { tiny: { command: "python3", args: ["tiny-server.py"], directory } };
const { signal } = new AbortController();

describe("an environment whose tools have parts outside the sandbox", () => {
  test("knows the tools of MCP servers before its first prompt, and a rollout calls them", async () => {
    await using tools = await openToolServices({
      mcp_servers: SumsEnv.configSchema.parse({ mcp_servers }).mcp_servers,
    });
    await using services = await testServices(async (request) =>
      request.messages.some(({ role }) => role === "tool")
        ? answer(request.messages.at(-1)?.content === '{"result":"hello"}' ? rightAnswer(request) : "wrong")
        : answer(null, [["mcp_tiny_remember", { word: "hello" }]]),
    );
    const env = SumsEnv.make({ ...services, tools }, { enabled_toolsets: ["mcp-tiny"], group_size: 2 });
    await env.prepare({ signal });
    const chosen = env.chooseTools(1);
    expect(chosen.map(({ toolset }) => toolset)).toEqual(Array(7).fill("mcp-tiny"));
    const played = await env.playRollout(
      { a: 1, b: 1 },
      {
        rolloutId: "r",
        groupId: "g",
        seed: 1,
        split: "train",
        tools: chosen,
        signal,
        deadlineMs: Number.POSITIVE_INFINITY,
      },
    );
    expect(played.outcome).toMatchObject({ kind: "scored", reward: 1 });
    expect(services.sandboxes.closed).toBe(services.sandboxes.opened);
  });

  test("is stopped before its first rollout where a toolset is named that lacks its configuration", async () => {
    await using services = await testServices();
    await expect(
      SumsEnv.make(services, { enabled_toolsets: ["web"] }).prepare({ signal }),
    ).rejects.toMatchObject({
      code: "TOOL_UNAVAILABLE",
      message: expect.stringContaining("env.web_plain_fetch"),
    });
    const named = SumsEnv.make(services, { enabled_toolsets: null });
    await named.prepare({ signal });
    expect(named.chooseTools(1).map(({ toolset }) => toolset)).not.toContain("web");
  });

  test("says once what its distribution never draws", async () => {
    await using services = await testServices();
    const notices = recordEvents(services.events, "notice");
    await SumsEnv.make(services, { distribution: "terminal_web" }).prepare({ signal });
    expect(notices.map(({ message }) => message)).toEqual([
      expect.stringContaining("web are not configured"),
    ]);
  });
});
