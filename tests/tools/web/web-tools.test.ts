import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../../src/contracts/sandbox.ts";
import type { Tool } from "../../../src/contracts/tool.ts";
import type { EnvRolloutContext } from "../../../src/env/rollout-context.ts";
import { AddressGuard } from "../../../src/tools/web/address-guard.ts";
import { Firecrawl } from "../../../src/tools/web/firecrawl.ts";
import { GuardedWeb } from "../../../src/tools/web/guarded-web.ts";
import { PageFetcher } from "../../../src/tools/web/page-fetcher.ts";
import { Searxng } from "../../../src/tools/web/searxng.ts";
import { webExtractTool } from "../../../src/tools/web-extract-tool.ts";
import { webSearchTool } from "../../../src/tools/web-search-tool.ts";
import { loopbackServer, sendHtml, sendJson } from "../../support/loopback-server.ts";
import { plainBackend, rolloutContext } from "../../support/rollout-context.ts";

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

async function call(tool: Tool, args: unknown): Promise<Record<string, unknown>> {
  const { ok, content } = await tool.call(args, context);
  return { ok, ...(JSON.parse(content) as Record<string, unknown>) };
}

const timeoutMs = 10_000;
const webFor = (...allowedHosts: string[]) => new GuardedWeb({ guard: new AddressGuard({ allowedHosts }) });

describe("web_search", () => {
  test("asks SearXNG and numbers what it finds", async () => {
    const results = Array.from({ length: 9 }, (_, index) => ({
      url: `https://example.org/${index}`,
      title: `T${index}`,
      ...(index > 0 && { content: `D${index}` }),
    }));
    await using service = await loopbackServer((_request, response) => sendJson(response, 200, { results }));
    await using engine = new Searxng({ baseUrl: `${service.url}/`, timeoutMs });
    const found = await call(webSearchTool(engine), { query: "a & b" });
    expect(service.requests[0]?.path).toBe("/search?q=a+%26+b&format=json");
    expect(found).toMatchObject({ ok: true, success: true });
    const { web } = found.data as { web: unknown[] };
    expect(web).toHaveLength(5);
    expect(web[0]).toEqual({ url: "https://example.org/0", title: "T0", description: "", position: 1 });
  });

  test("a SearXNG that doesn't speak JSON fails as machinery and says what to set", async () => {
    await using service = await loopbackServer((_request, response) =>
      response.writeHead(403).end("Forbidden"),
    );
    await using engine = new Searxng({ baseUrl: service.url, timeoutMs });
    await expect(call(webSearchTool(engine), { query: "x" })).rejects.toMatchObject({
      code: "TOOL_SERVICE_REJECTED",
      hint: expect.stringContaining("search.formats"),
    });
  });

  test("asks Firecrawl with the key", async () => {
    await using service = await loopbackServer((_request, response) =>
      sendJson(response, 200, {
        success: true,
        data: { web: [{ url: "https://a.org/", title: "A", description: "about a", position: 1 }] },
      }),
    );
    await using web = webFor();
    await using engine = new Firecrawl({ baseUrl: service.url, apiKey: "fc-key", timeoutMs, web });
    expect(await call(webSearchTool(engine), { query: "a" })).toMatchObject({
      data: { web: [{ url: "https://a.org/", description: "about a", position: 1 }] },
    });
    const [request] = service.requests;
    expect(request).toMatchObject({ method: "POST", path: "/v2/search" });
    expect(request?.headers.authorization).toBe("Bearer fc-key");
    expect(JSON.parse(request?.body ?? "")).toEqual({ query: "a", limit: 5, sources: ["web"] });
  });

  test("is tried again when the service is overloaded, and then fails as machinery", async () => {
    await using service = await loopbackServer((_request, response) =>
      response.writeHead(service.requests.length === 1 ? 429 : 503, { "retry-after": "0" }).end("busy"),
    );
    await using engine = new Searxng({ baseUrl: service.url, timeoutMs });
    await expect(call(webSearchTool(engine), { query: "x" })).rejects.toMatchObject({
      code: "TOOL_SERVICE_FAILED",
      retryable: true,
    });
    expect(service.requests).toHaveLength(3);
  });

  test("says what to set when nothing is configured", async () => {
    const tool = webSearchTool(null);
    expect(await tool.check()).toContain("env.web_searxng_url");
    expect(await call(tool, { query: "x" })).toMatchObject({ ok: false });
  });
});

describe("web_extract without a service", () => {
  const fetcher = (web: GuardedWeb) => new PageFetcher({ web, timeoutMs, maxBytes: 1_000_000 });

  test("gives pages as markdown, each with its own error, cut where told", async () => {
    await using site = await loopbackServer(({ path }, response) => {
      if (path === "/html") sendHtml(response, `<title>T</title><h1>H</h1><p>${"x".repeat(500)}`);
      else if (path === "/json") sendJson(response, 200, { a: 1 });
      else if (path === "/latin") {
        response
          .writeHead(200, { "content-type": "text/plain; charset=iso-8859-1" })
          .end(Buffer.from([0xe9]));
      } else response.writeHead(404).end();
    });
    await using web = webFor(site.host);
    const tool = webExtractTool({ reader: fetcher(web), pageChars: 100 });
    const urls = ["html", "json", "latin", "none"].map((path) => `${site.url}/${path}`);
    const { ok, results } = await call(tool, { urls: [...urls, "http://10.0.0.1/"] });
    expect(ok).toBe(true);
    expect(results).toMatchObject([
      { title: "T", content: `# H\n\n${"x".repeat(95)}`, error: null, truncated: true, total_chars: 505 },
      { content: '{"a":1}', error: null },
      { content: "é", error: null },
      { content: "", error: expect.stringContaining("404") },
      { error: expect.stringContaining("Blocked"), blocked_by_policy: true },
    ]);
  });

  test("a call of which no page can be read has failed", async () => {
    await using web = webFor();
    const tool = webExtractTool({ reader: fetcher(web), pageChars: 100 });
    expect(await call(tool, { urls: ["http://localhost/"] })).toMatchObject({
      ok: false,
      results: [{ blocked_by_policy: true }],
    });
    expect(await call(tool, { urls: [] })).toMatchObject({ ok: false });
  });
});

describe("web_extract with Firecrawl", () => {
  test("reads pages, explains those that can't be, and asks for no private address", async () => {
    await using service = await loopbackServer(({ body }, response) => {
      const { url } = JSON.parse(body) as { url: string };
      if (url.endsWith("/good")) {
        const metadata = { title: "Good", sourceURL: url, statusCode: 200 };
        sendJson(response, 200, {
          success: true,
          data: { markdown: "# Good ![x](data:image/png;base64,AAA)", metadata },
        });
      } else if (url.endsWith("/dead")) {
        sendJson(response, 500, {
          success: false,
          code: "SCRAPE_DNS_RESOLUTION_ERROR",
          error: "no such host",
        });
      } else {
        sendJson(response, 200, {
          success: true,
          data: { markdown: "", metadata: { statusCode: 404, error: "Not Found" } },
        });
      }
    });
    await using web = new GuardedWeb({
      guard: new AddressGuard({ resolve: async () => [{ address: "8.8.8.8", family: 4 }] }),
    });
    await using reader = new Firecrawl({ baseUrl: service.url, apiKey: null, timeoutMs, web });
    const tool = webExtractTool({ reader, pageChars: 1_000 });
    const urls = ["https://a.org/good", "https://a.org/dead", "https://a.org/gone", "http://127.0.0.1/"];
    expect((await call(tool, { urls })).results).toMatchObject([
      { url: "https://a.org/good", title: "Good", content: "# Good ![x]", error: null },
      { error: expect.stringContaining("no such host") },
      { error: expect.stringContaining("Not Found") },
      { blocked_by_policy: true },
    ]);
    expect(service.requests).toHaveLength(3);
  });
});
