import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../../src/contracts/sandbox.ts";
import type { Tool } from "../../../src/contracts/tool.ts";
import type { EnvRolloutContext } from "../../../src/env/rollout-context.ts";
import { mcpServersConfig } from "../../../src/tools/mcp/mcp-config.ts";
import { McpServers } from "../../../src/tools/mcp/mcp-servers.ts";
import { eventually, findByCommand } from "../../support/host-processes.ts";
import {
  plainBackend,
  rolloutContext,
  walledBackend,
  walledBackendProblem,
} from "../../support/rollout-context.ts";
import { missingPackage, testPackageFolder } from "../../support/test-packages.ts";

const fixture = fileURLToPath(new URL("../../fixtures/mcp", import.meta.url));
const serversOf = (servers: unknown) => new McpServers(mcpServersConfig.parse(servers));
const tiny = { command: "python3", args: ["tiny-server.py"], directory: fixture };

let backend: SandboxBackend;
beforeAll(() => {
  backend = plainBackend();
});
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
});

async function discover(mcp: McpServers, where = backend): Promise<Map<string, Tool>> {
  await using context = rolloutContext(where);
  return new Map((await mcp.discover(context)).map((tool) => [tool.name, tool]));
}

async function call(
  tools: ReadonlyMap<string, Tool>,
  context: EnvRolloutContext,
  name: string,
  args: unknown = {},
): Promise<Record<string, unknown>> {
  const tool = tools.get(name);
  if (tool === undefined) throw new Error(`no ${name} among ${[...tools.keys()].join(", ")}`);
  const { ok, content } = await tool.call(args, context);
  return { ok, ...(JSON.parse(content) as Record<string, unknown>) };
}

describe("an MCP server inside the sandbox", () => {
  test("gives its tools, with its schemas, under a prefix, as the lists say", async () => {
    await using mcp = serversOf({
      tiny,
      few: { ...tiny, prefix: "", tools: { include: ["where", "fail"], exclude: ["fail"] } },
    });
    const tools = await discover(mcp);
    expect([...tools.keys()]).toEqual([
      ...["remember", "picture", "structured", "fail", "die", "sleep", "where"].map(
        (name) => `mcp_tiny_${name}`,
      ),
      "where",
    ]);
    expect(tools.get("mcp_tiny_remember")).toMatchObject({
      toolset: "mcp-tiny",
      description: "Adds a word and gives all.",
      schema: { function: { parameters: { required: ["word"] } } },
    });
  });

  test("lives as long as its rollout, which has it to itself", async () => {
    await using mcp = serversOf({ tiny: { ...tiny, env: { GREETING: "good day" } } });
    const tools = await discover(mcp);
    {
      await using first = rolloutContext(backend, { rolloutId: "first" });
      await using second = rolloutContext(backend, { rolloutId: "second" });
      expect(await call(tools, first, "mcp_tiny_remember", { word: "a" })).toEqual({ ok: true, result: "a" });
      expect(await call(tools, second, "mcp_tiny_remember", { word: "b" })).toEqual({
        ok: true,
        result: "b",
      });
      expect(await call(tools, first, "mcp_tiny_remember", { word: "c" })).toEqual({
        ok: true,
        result: "a,c",
      });
      const { workspace } = await first.sandbox();
      expect((await call(tools, first, "mcp_tiny_where")).result).toBe(
        `${workspace}/.lachesis/mcp/tiny good day`,
      );
    }
    await eventually(() => findByCommand("tiny-server.py").length === 0, "no server is left");
  });

  test("answers pictures as files, data as data, errors as errors", async () => {
    await using mcp = serversOf({ tiny });
    const tools = await discover(mcp);
    await using context = rolloutContext(backend);
    const { result, files } = await call(tools, context, "mcp_tiny_picture");
    expect(result).toBe("look");
    const [file] = files as [{ path: string; bytes: number }];
    const sandbox = await context.sandbox();
    expect((await sandbox.readFile(file.path, { signal: context.signal })).length).toBe(file.bytes);
    expect(await call(tools, context, "mcp_tiny_structured")).toMatchObject({
      structuredContent: { a: [1, 2] },
    });
    expect(await call(tools, context, "mcp_tiny_fail")).toEqual({ ok: false, error: "it failed" });
    expect(await call(tools, context, "mcp_tiny_fail", ["no object"])).toMatchObject({ ok: false });
  });

  test("that ends is an error that says why, and is started afresh by the next call", async () => {
    await using mcp = serversOf({ tiny });
    const tools = await discover(mcp);
    await using context = rolloutContext(backend);
    await call(tools, context, "mcp_tiny_remember", { word: "a" });
    const { ok, error } = await call(tools, context, "mcp_tiny_die");
    expect(ok).toBe(false);
    expect(error).toContain("exit code 3; it said: goodbye");
    expect(await call(tools, context, "mcp_tiny_remember", { word: "b" })).toMatchObject({ result: "b" });
  });

  test("that answers too late is an error; a cancelled rollout waits no longer", async () => {
    await using mcp = serversOf({ tiny: { ...tiny, timeout: 0.2 } });
    const tools = await discover(mcp);
    await using context = rolloutContext(backend);
    expect(await call(tools, context, "mcp_tiny_sleep")).toMatchObject({
      ok: false,
      error: expect.stringContaining("within 0.2 s"),
    });
    const cancelled = new AbortController();
    await using slow = serversOf({ tiny });
    const slowTools = await discover(slow);
    await using other = rolloutContext(backend, { signal: cancelled.signal });
    const pending = call(slowTools, other, "mcp_tiny_sleep");
    cancelled.abort(new Error("cancelled"));
    await expect(pending).rejects.toThrow("cancelled");
  });

  test.each([
    ["a program that there isn't", { command: "no-such-program" }],
    ["a program that says why it can't", { command: "sh", args: ["-c", "echo no licence >&2; exit 4"] }],
    ["a program that never greets", { command: "sleep", args: ["3600"], connect_timeout: 0.3 }],
  ])("%s fails before the first rollout", async (_what, server) => {
    await using mcp = serversOf({ broken: server });
    await expect(discover(mcp)).rejects.toMatchObject({ code: "MCP_SERVER_FAILED" });
  });

  test("a list that names a tool it doesn't offer is an error", async () => {
    await using mcp = serversOf({ tiny: { ...tiny, tools: { include: ["wheer"] } } });
    await expect(discover(mcp)).rejects.toMatchObject({
      code: "TOOL_UNKNOWN",
      hint: expect.stringContaining("where"),
    });
  });

  test("runs behind bubblewrap's walls", async ({ skip }) => {
    const problem = await walledBackendProblem();
    skip(problem !== null, problem ?? "");
    await using walled = walledBackend();
    await using mcp = serversOf({ tiny: { ...tiny, command: "/usr/bin/python3" } });
    const tools = await discover(mcp, walled);
    await using context = rolloutContext(walled);
    expect(await call(tools, context, "mcp_tiny_remember", { word: "a" })).toEqual({ ok: true, result: "a" });
  });
});

const everythingMissing = missingPackage("@modelcontextprotocol/server-everything");
const filesystemMissing = missingPackage("@modelcontextprotocol/server-filesystem");
const everything = `${testPackageFolder("@modelcontextprotocol/server-everything")}/dist/index.js`;
const filesystem = `${testPackageFolder("@modelcontextprotocol/server-filesystem")}/dist/index.js`;

describe.skipIf(everythingMissing !== null)(
  `server-everything from npm (${everythingMissing ?? "installed"})`,
  () => {
    test("works inside a sandbox", async () => {
      await using mcp = serversOf({ all: { command: process.execPath, args: [everything, "stdio"] } });
      const tools = await discover(mcp);
      await using context = rolloutContext(backend);
      expect(await call(tools, context, "mcp_all_echo", { message: "hello" })).toMatchObject({
        ok: true,
        result: expect.stringContaining("hello"),
      });
      expect(await call(tools, context, "mcp_all_echo", { message: 5 })).toMatchObject({ ok: false });
    });

    test.each([false, true])(
      "works over HTTP, shared: %s; when it is away, calls fail as machinery",
      async (shared) => {
        const port = await freePort();
        const server = spawn(process.execPath, [everything, "streamableHttp"], {
          env: { ...process.env, PORT: String(port) },
          stdio: ["ignore", "ignore", "pipe"],
        });
        try {
          await untilListening(server);
          await using mcp = serversOf({ all: { url: `http://127.0.0.1:${port}/mcp`, shared } });
          const tools = await discover(mcp);
          await using context = rolloutContext(backend);
          expect(await call(tools, context, "mcp_all_echo", { message: "hello" })).toMatchObject({
            ok: true,
          });
          const exited = once(server, "exit");
          server.kill("SIGKILL");
          await exited;
          await expect(call(tools, context, "mcp_all_echo", { message: "hello" })).rejects.toMatchObject({
            code: "MCP_SERVER_FAILED",
            retryable: true,
          });
        } finally {
          server.kill("SIGKILL");
        }
      },
    );
  },
);

describe.skipIf(filesystemMissing !== null)(
  `server-filesystem from npm (${filesystemMissing ?? "installed"})`,
  () => {
    test("reads what the rollout wrote", async () => {
      await using mcp = serversOf({ files: { command: process.execPath, args: [filesystem, "."] } });
      const tools = await discover(mcp);
      await using context = rolloutContext(backend);
      const sandbox = await context.sandbox();
      await sandbox.writeFile("note.txt", Buffer.from("by the model"), { signal: context.signal });
      const path = `${sandbox.workspace}/note.txt`;
      expect(await call(tools, context, "mcp_files_read_text_file", { path })).toMatchObject({
        result: "by the model",
      });
      expect(await call(tools, context, "mcp_files_read_text_file", { path: "/etc/passwd" })).toMatchObject({
        ok: false,
      });
    });
  },
);

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function untilListening(server: ReturnType<typeof spawn>): Promise<void> {
  for await (const chunk of server.stderr ?? []) if (/listening/i.test(String(chunk))) return;
  throw new Error("server-everything ended before it listened");
}
