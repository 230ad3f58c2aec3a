import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../../src/contracts/sandbox.ts";
import type { BrowserService } from "../../../src/tools/browser/browser-service.ts";
import { browserTools } from "../../../src/tools/browser-tools.ts";
import { VisionService } from "../../../src/tools/vision/vision-service.ts";
import { browserService, chromiumProblem } from "../../support/browser-service.ts";
import { eventually, findByCommand } from "../../support/host-processes.ts";
import { type LoopbackServer, loopbackServer, sendHtml, sendJson } from "../../support/loopback-server.ts";
import { plainBackend, rolloutContext } from "../../support/rollout-context.ts";

const pages: Readonly<Record<string, string>> = {
  "/": `<title>Front</title><h1>Welcome</h1><p>Some text.</p><a href="/next">Next page</a>
    <form action="/hello"><input name="who" aria-label="Your name" value="old"><button>Send</button></form>
    <img src="/dot.png" alt="A dot"><img src="data:image/png;base64,${"A".repeat(5_000)}" alt="Embedded">`,
  "/next": "<title>Next</title><h1>The next page</h1>",
  "/noisy": `<title>Noisy</title><script>
    console.warn("look out"); alert("hello"); setTimeout(() => { throw new Error("broken"); }, 0);</script>`,
  "/links": `<title>Links</title><a href="file:///etc/passwd">file</a><a href="/popup" target="_blank">popup</a>
    <a href="/blob.bin" download>download</a>`,
  "/popup": "<title>Popup</title>",
  "/endless": `<title>Endless</title><script>setTimeout(() => { while (true); }, 50);</script>`,
  "/big": `<title>Big</title>${"<p>many words in a paragraph</p>".repeat(1_000)}`,
};

describe.skipIf(chromiumProblem !== null)(`the browser tools (${chromiumProblem ?? "Chromium"})`, () => {
  let backend: SandboxBackend;
  let site: LoopbackServer;
  let secret: LoopbackServer;
  let browser: BrowserService;
  const directories: string[] = [];

  beforeAll(async () => {
    backend = plainBackend();
    secret = await loopbackServer((_request, response) => {
      response.setHeader("access-control-allow-origin", "*");
      sendHtml(response, "<title>Secret</title>");
    });
    site = await loopbackServer(({ path }, response) => {
      const name = new URL(path, "http://x").pathname;
      if (name === "/to-secret") response.writeHead(302, { location: secret.url }).end();
      else if (name === "/spy") {
        sendHtml(
          response,
          `<title>waiting</title><img src="${secret.url}/img"><iframe src="${secret.url}/frame"></iframe><script>
          new WebSocket("${secret.url.replace("http", "ws")}/ws");
          fetch("${secret.url}/fetch").then(async (r) => document.title = "got " + r.status, () => document.title = "none");</script>`,
        );
      } else if (name === "/hello")
        sendHtml(response, `<title>Hello ${new URL(path, "http://x").searchParams.get("who")}</title>`);
      else sendHtml(response, pages[name] ?? "<title>Nothing</title>");
    });
    browser = browserService([site.host], { directories, timeoutMs: 12_000 });
  });

  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
    await secret[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    expect(directories.filter((directory) => existsSync(directory))).toEqual([]);
    await eventually(() => findByCommand("lachesis-test-browser-").length === 0, "no Chromium is left");
  });

  function rollout(vision: VisionService | null = null, signal = new AbortController().signal) {
    const context = rolloutContext(backend, { signal });
    const tools = new Map(browserTools({ browser, vision }).map((tool) => [tool.name, tool]));
    return {
      context,
      async call(name: string, args: object = {}): Promise<Record<string, unknown>> {
        const { ok, content } = await tools.get(`browser_${name}`)!.call(args, context);
        return { ok, ...(JSON.parse(content) as Record<string, unknown>) };
      },
      [Symbol.asyncDispose]: () => context[Symbol.asyncDispose](),
    };
  }

  const refOf = (snapshot: unknown, text: string) =>
    new RegExp(`${text}.*\\[(@(?:f\\d+)?e\\d+)\\]`).exec(String(snapshot))?.[1] ??
    `no ${text} in ${snapshot}`;

  /** The machine may be busy: a key that does nothing tells where the page is by now. */
  const title = (page: ReturnType<typeof rollout>, expected: string) =>
    expect
      .poll(async () => (await page.call("press", { key: "Shift" })).title, { timeout: 30_000 })
      .toBe(expected);

  test("open, see, type, click, go back, list images, close", async () => {
    await using page = rollout();
    expect(await page.call("snapshot")).toMatchObject({
      ok: false,
      error: expect.stringContaining("browser_navigate"),
    });
    expect(await page.call("navigate", { url: site.url })).toMatchObject({
      ok: true,
      title: "Front",
      status: 200,
    });
    const { snapshot, element_count: count } = await page.call("snapshot");
    expect(snapshot).toContain('link "Next page"');
    expect(snapshot).not.toContain("Some text.");
    expect(count).toBeGreaterThan(3);
    expect((await page.call("snapshot", { full: true })).snapshot).toContain("Some text.");

    await page.call("type", { ref: refOf(snapshot, "Your name"), text: "Ada" });
    await page.call("press", { key: "Enter" });
    await title(page, "Hello Ada");
    await page.call("back");
    await title(page, "Front");
    expect(await page.call("click", { ref: refOf(snapshot, "Next page") })).toMatchObject({
      ok: false,
      error: expect.stringContaining("browser_snapshot"),
    });
    const again = await page.call("snapshot");
    expect(await page.call("click", { ref: refOf(again.snapshot, "Next page") })).toMatchObject({
      title: "Next",
      url: `${site.url}/next`,
    });
    await page.call("back");
    const { images } = await page.call("get_images");
    expect(images).toMatchObject([{ src: `${site.url}/dot.png`, alt: "A dot" }, { alt: "Embedded" }]);
    expect(JSON.stringify(images).length).toBeLessThan(3_000);
    expect(await page.call("scroll", { direction: "down" })).toMatchObject({ scrolled: "down" });
    expect(await page.call("close")).toMatchObject({ closed: true });
    expect(await page.call("press", { key: "Enter" })).toMatchObject({ ok: false });
  });

  test("tells consoles, errors and dialogs, which are dismissed", async () => {
    await using page = rollout();
    await page.call("navigate", { url: `${site.url}/noisy` });
    await page.call("scroll", { direction: "down" });
    const read = await page.call("console", { clear: true });
    expect(read.console_messages).toEqual(
      expect.arrayContaining([
        { type: "warning", text: "look out" },
        { type: "dialog", text: "alert: hello" },
      ]),
    );
    expect(read).toMatchObject({ js_errors: [{ message: "broken" }], total_errors: 1 });
    expect(await page.call("console")).toMatchObject({ total_messages: 0 });
  });

  test("whatever a page asks for, nothing reaches an address that the guard forbids", async () => {
    await using page = rollout();
    expect(await page.call("navigate", { url: secret.url })).toMatchObject({
      ok: false,
      error: expect.stringContaining("Blocked"),
    });
    expect(await page.call("navigate", { url: secret.url.replace("http:", "https:") })).toMatchObject({
      ok: false,
      error: expect.stringContaining("Blocked"),
    });
    expect(await page.call("navigate", { url: `${site.url}/to-secret` })).toMatchObject({
      ok: false,
      error: expect.stringContaining("Blocked"),
    });
    await page.call("navigate", { url: `${site.url}/spy` });
    expect((await page.call("scroll", { direction: "down" })).ok).toBe(true);
    expect(secret.requests).toEqual([]);
    for (const url of ["file:///etc/passwd", "chrome://version", "javascript:alert(1)", "data:text/html,x"]) {
      expect(await page.call("navigate", { url })).toMatchObject({ ok: false });
    }
  });

  test("follows no link to a file, saves no download, and looks at a popup", async () => {
    await using page = rollout();
    await page.call("navigate", { url: `${site.url}/links` });
    const { snapshot } = await page.call("snapshot");
    expect((await page.call("click", { ref: refOf(snapshot, 'link "file"') })).url).toBe(`${site.url}/links`);
    await page.call("click", { ref: refOf(snapshot, 'link "download"') });
    await page.call("click", { ref: refOf(snapshot, 'link "popup"') });
    await title(page, "Popup");
  });

  test("rollouts share a Chromium and no cookie", async () => {
    await using first = rollout();
    await using second = rollout();
    await Promise.all([
      first.call("navigate", { url: site.url }),
      second.call("navigate", { url: `${site.url}/next` }),
    ]);
    expect(await first.call("press", { key: "Tab" })).toMatchObject({ title: "Front" });
    expect(await second.call("press", { key: "Tab" })).toMatchObject({ title: "Next" });
    expect(directories).toHaveLength(1);
  });

  test("cuts a long snapshot and says so", async () => {
    await using page = rollout();
    await page.call("navigate", { url: `${site.url}/big` });
    const { snapshot, truncated } = await page.call("snapshot", { full: true });
    expect(String(snapshot)).toHaveLength(8_000);
    expect(truncated).toBe(true);
  });

  test("a page that never ends is an error, and the next page opens", async () => {
    await using page = rollout();
    await page.call("navigate", { url: `${site.url}/endless` });
    await page.call("scroll", { direction: "down" });
    expect(await page.call("snapshot")).toMatchObject({ ok: false });
    expect(await page.call("navigate", { url: `${site.url}/next` })).toMatchObject({ title: "Next" });
  });

  test("browser_vision shows the screenshot to the model that sees", async () => {
    await using server = await loopbackServer((_request, response) =>
      sendJson(response, 200, { choices: [{ message: { content: "A welcome page." } }] }),
    );
    await using vision = new VisionService({
      baseUrl: `${server.url}/v1`,
      model: "sees",
      apiKey: "k",
      timeoutMs: 10_000,
      maxTokens: 100,
      maxImageBytes: 1_000_000,
    });
    await using page = rollout(vision);
    await page.call("navigate", { url: site.url });
    const seen = await page.call("vision", { question: "What is it?", annotate: true });
    expect(seen).toMatchObject({ success: true, analysis: "A welcome page." });
    expect(seen.annotations).toEqual(
      expect.arrayContaining([expect.stringMatching(/link "Next page".*\[@(?:f\d+)?e\d+\].*\[box=/)]),
    );
    const sandbox = await page.context.sandbox();
    const file = await sandbox.readFile(String(seen.screenshot_path), { signal: page.context.signal });
    const { messages } = JSON.parse(server.requests[0]?.body ?? "") as { messages: [{ content: unknown[] }] };
    expect(messages[0].content[1]).toEqual({
      type: "image_url",
      image_url: { url: `data:image/png;base64,${Buffer.from(file).toString("base64")}` },
    });
  });

  test("a cancelled rollout stops waiting at once", async () => {
    const cancelled = new AbortController();
    await using page = rollout(null, cancelled.signal);
    await page.call("navigate", { url: `${site.url}/endless` });
    const pending = page.call("snapshot");
    cancelled.abort(new Error("cancelled"));
    await expect(pending).rejects.toThrow("cancelled");
  });

  test("a Chromium that died is a failure of the machinery, and the next rollout gets another", async () => {
    {
      await using page = rollout();
      await page.call("navigate", { url: site.url });
      const [main] = findByCommand(directories.at(-1)!).filter(({ command }) => !command.includes("--type="));
      process.kill(main!.pid, "SIGKILL");
      await expect(
        (async () => {
          for (;;) await page.call("snapshot");
        })(),
      ).rejects.toMatchObject({ code: "BROWSER_FAILED", retryable: true });
    }
    await using page = rollout();
    expect(await page.call("navigate", { url: site.url })).toMatchObject({ title: "Front" });
    expect(directories).toHaveLength(2);
  });
});
