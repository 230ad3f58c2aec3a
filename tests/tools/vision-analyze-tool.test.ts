import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import { VisionService } from "../../src/tools/vision/vision-service.ts";
import { visionAnalyzeTool } from "../../src/tools/vision-analyze-tool.ts";
import { AddressGuard } from "../../src/tools/web/address-guard.ts";
import { GuardedWeb } from "../../src/tools/web/guarded-web.ts";
import { type LoopbackServer, loopbackServer, sendJson } from "../support/loopback-server.ts";
import { plainBackend, rolloutContext } from "../support/rollout-context.ts";

const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const dataUrl = `data:image/png;base64,${png.toString("base64")}`;

let backend: SandboxBackend;
let context: EnvRolloutContext;
let site: LoopbackServer;
let web: GuardedWeb;

beforeAll(async () => {
  backend = plainBackend();
  context = rolloutContext(backend);
  site = await loopbackServer(({ path }, response) => {
    if (path === "/dot.png") response.writeHead(200, { "content-type": "text/plain" }).end(png);
    else if (path === "/page") response.writeHead(200, { "content-type": "image/png" }).end("<html>");
    else response.writeHead(404).end();
  });
  web = new GuardedWeb({ guard: new AddressGuard({ allowedHosts: [site.host] }) });
});

afterAll(async () => {
  await web[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
  await context[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

const answering = (status: number, body: unknown) =>
  loopbackServer((_request, response) => sendJson(response, status, body));
const saying = (content: string) => answering(200, { choices: [{ message: { content } }] });

async function ask(server: LoopbackServer, imageUrl: string): Promise<Record<string, unknown>> {
  await using vision = new VisionService({
    baseUrl: `${server.url}/v1`,
    model: "sees",
    apiKey: "vision-key",
    timeoutMs: 10_000,
    maxTokens: 77,
    maxImageBytes: 1_000,
  });
  const tool = visionAnalyzeTool({ vision, web, timeoutMs: 10_000 });
  const { ok, content } = await tool.call({ image_url: imageUrl, question: "What is it?" }, context);
  return { ok, ...(JSON.parse(content) as Record<string, unknown>) };
}

describe("vision_analyze", () => {
  test.each(["a file of the sandbox", "a URL", "a data URL"])(
    "shows %s to the model that sees",
    async (kind) => {
      const sandbox = await context.sandbox();
      await sandbox.writeFile("dot.bin", png, { signal: context.signal });
      const sources: Record<string, string> = {
        "a file of the sandbox": "dot.bin",
        "a URL": `${site.url}/dot.png`,
        "a data URL": dataUrl,
      };
      await using server = await saying("A dot.");
      expect(await ask(server, sources[kind] ?? "")).toEqual({ ok: true, success: true, analysis: "A dot." });
      const [request] = server.requests;
      expect(request?.path).toBe("/v1/chat/completions");
      expect(request?.headers.authorization).toBe("Bearer vision-key");
      expect(JSON.parse(request?.body ?? "")).toEqual({
        model: "sees",
        max_tokens: 77,
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "What is it?" },
              { type: "image_url", image_url: { url: dataUrl } },
            ],
          },
        ],
      });
    },
  );

  test.each<[string, () => string, string]>([
    ["a file that isn't there", () => "none.png", "none.png"],
    ["a page in a picture's clothes", () => `${site.url}/page`, "no image"],
    ["a missing page", () => `${site.url}/gone`, "404"],
    ["a private address", () => "http://169.254.169.254/x.png", "Blocked"],
    ["a file of this machine", () => "file:///etc/passwd", "can't be opened"],
    [
      "an image that is too large",
      () => `data:image/png;base64,${Buffer.alloc(2_000).toString("base64")}`,
      "larger",
    ],
    ["a data URL without base64", () => "data:image/png,xyz", "base64"],
  ])("%s is an error that asks nothing of the server", async (_kind, source, reason) => {
    await using server = await saying("never");
    expect(await ask(server, source())).toMatchObject({ ok: false, error: expect.stringContaining(reason) });
    expect(server.requests).toEqual([]);
  });

  test("an image that the server refuses is an error", async () => {
    await using server = await answering(400, { error: { message: "image too small" } });
    expect(await ask(server, dataUrl)).toMatchObject({
      ok: false,
      error: expect.stringContaining("too small"),
    });
  });

  test.each([
    [401, "TOOL_SERVICE_REJECTED"],
    [404, "TOOL_SERVICE_REJECTED"],
    [503, "TOOL_SERVICE_FAILED"],
  ])("a server that answers %i is a failure of the machinery", async (status, code) => {
    await using server = await answering(status, { error: "no" });
    await expect(ask(server, dataUrl)).rejects.toMatchObject({ code });
  });
});
