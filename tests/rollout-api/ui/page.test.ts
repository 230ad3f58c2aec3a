/** The live page in a real browser, over a real server. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AccessControl, type AccessToken } from "../../../src/rollout-api/access.ts";
import { MemoryStores } from "../../../src/rollout-api/memory-store.ts";
import { startRolloutApi } from "../../../src/rollout-api/start-server.ts";
import { ServerWatch } from "../../../src/rollout-api/watch/server-watch.ts";
import { watchPlugin } from "../../../src/rollout-api/watch/watch-plugin.ts";
import { chromiumMissing, hasChromium, launchChromium } from "../../support/browser.ts";
import { startRun } from "../../support/encoded-group.ts";
import { conversations, scoredGroup } from "../../support/scored-group-body.ts";

const UNDER_WAY = { timeout: 20_000 };

type ServerOptions = { tokens?: readonly AccessToken[]; port?: number };

async function startServer({ tokens = [], port = 0 }: ServerOptions = {}) {
  const stores = new MemoryStores();
  const watch = new ServerWatch({ stores });
  const server = await startRolloutApi({
    stores: watch.stores,
    plugins: [watchPlugin(watch)],
    access: new AccessControl(tokens),
    host: "127.0.0.1",
    port,
  });
  return { watch, server, [Symbol.asyncDispose]: () => server.close() };
}

describe.skipIf(!hasChromium)(`the live page (${chromiumMissing})`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  /** Opens the page; whatever it complains of fails the test at the end. */
  async function openPage(url: string, options: Parameters<Browser["newPage"]>[0] = {}) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, ...options });
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(`${url}/ui`);
    return { page, complaints, [Symbol.asyncDispose]: () => page.close() };
  }

  const textOf = (page: Page, selector: string) => page.locator(selector).innerText();

  test("shows a run as it goes on: environments, batches, scores, examples", async () => {
    await using live = await startServer();
    const store = await live.watch.stores.run("default");
    await using opened = await openPage(live.server.url);
    const { page, complaints } = opened;
    await page.getByText("No trainer has registered yet").waitFor(UNDER_WAY);
    await startRun(store, { envs: [{ desiredName: "maths", weight: 2 }] });
    await store.submit([scoredGroup({ messages: conversations("It is 2.", "It is 3.", "2", "11") })]);
    await page.getByText("What is 1 + 1?").waitFor(UNDER_WAY);
    expect(await textOf(page, "#envs tbody")).toMatch(/^maths_0\s+connected\s+2\s/);
    expect(await textOf(page, "#example")).toContain("It is 2.");

    await store.submit([scoredGroup({ scores: [1, 1, 1, 1] })]);
    await store.takeBatch({ leaseSeconds: 60 });
    await page.locator("#batches").getByText("0.75").waitFor(UNDER_WAY);
    expect(await textOf(page, "#score-summary")).toBe("mean 0.75 of 8");
    expect(await page.locator("#score-chart .bar").count()).toBe(20);
    expect(await page.locator("#queue-chart .line").count()).toBe(1);
    expect(await textOf(page, "#connection")).toBe("live");
    expect(complaints).toEqual([]);
  });

  test("shows what models and clients wrote, and runs none of it", async () => {
    await using live = await startServer();
    const store = await live.watch.stores.run("default");
    const attacks = [
      `<script>document.title = "taken over"</script>`,
      `<img src=x onerror="document.title='taken over'">`,
      `</pre></article><svg onload="document.title='taken over'">`,
      `<a href="javascript:document.title='taken over'">x</a>`,
    ];
    await startRun(store, { envs: [{ desiredName: attacks[1] ?? "" }] });
    await store.submit([scoredGroup({ messages: conversations(...attacks) })]);
    await using opened = await openPage(live.server.url);
    const { page } = opened;
    await page.getByText("What is 1 + 1?").waitFor(UNDER_WAY);
    for (const [index, attack] of attacks.entries()) {
      await page.locator(".tabs button").nth(index).click();
      expect(await textOf(page, "#example .messages")).toContain(attack);
    }
    expect(await textOf(page, "#envs")).toContain("<img src=x");
    expect(await page.locator("#main img, #main script, #main a, #example svg").count()).toBe(0);
    expect(await page.title()).toBe("Lachesis rollout server");
  });

  test("its policy runs no script but its own, wherever one comes from", async () => {
    await using live = await startServer();
    await using opened = await openPage(live.server.url);
    const { page, complaints } = opened;
    await page.evaluate(`
      const script = document.createElement("script");
      script.textContent = "document.title = 'taken over'";
      const holder = document.createElement("div");
      holder.innerHTML = "<img src='data:,' onerror='document.title = String(1)'>";
      document.body.append(script, holder);
    `);
    const refusals = () => complaints.filter((text) => text.includes("Content Security Policy"));
    await expect.poll(refusals, UNDER_WAY).toHaveLength(2);
    expect(await page.title()).toBe("Lachesis rollout server");
  });

  test.each([
    ["a wide screen", 1280, "light"],
    ["a phone", 390, "dark"],
  ] as const)("fits %s", async (_, width, colorScheme) => {
    await using live = await startServer();
    const store = await live.watch.stores.run("default");
    const long = "a-name-that-is-longer-than-any-column-".repeat(3);
    await startRun(store, { envs: [{ desiredName: long }, {}] });
    const messages = conversations("x".repeat(400), "1", "2", "3");
    await store.submit([scoredGroup({ messages }), scoredGroup()]);
    await store.takeBatch({ leaseSeconds: null });
    await using opened = await openPage(live.server.url, { viewport: { width, height: 800 }, colorScheme });
    const { page } = opened;
    await page.getByText("What is 1 + 1?").waitFor(UNDER_WAY);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
    // Nothing stands out of the box that it belongs to, but for tables, which scroll in theirs.
    const sticksOut = await page.evaluate(`
      [...document.querySelectorAll("#main *")].filter((item) => {
        const box = item.closest("#example-list, #example, .scroll, figure, .tiles > div, .panel");
        if (box === null || box.matches(".scroll")) return false;
        return item.getBoundingClientRect().right > box.getBoundingClientRect().right + 1;
      }).map((item) => item.outerHTML)`);
    expect(sticksOut).toEqual([]);
    const ground = await page.evaluate("getComputedStyle(document.body).backgroundColor");
    expect(ground).toBe(colorScheme === "dark" ? "rgb(14, 17, 22)" : "rgb(245, 246, 248)");
  });

  test("asks for a token where the server has tokens, and sends it in a header", async () => {
    await using live = await startServer({ tokens: [{ role: "env", token: "the-env-token" }] });
    await startRun(await live.watch.stores.run("default"), { envs: [{ desiredName: "hidden" }] });
    await using opened = await openPage(live.server.url);
    const { page } = opened;
    const requested: string[] = [];
    page.on("request", (request) => requested.push(request.url()));
    await page.getByText("This server wants a token.").waitFor(UNDER_WAY);
    expect(await page.content()).not.toContain("hidden_0");
    await page.locator("#token").fill("a wrong one");
    await page.getByRole("button", { name: "Show the run" }).click();
    await page.getByText("Enter another").waitFor(UNDER_WAY);
    await page.locator("#token").fill("the-env-token");
    await page.getByRole("button", { name: "Show the run" }).click();
    await page.getByText("hidden_0").waitFor(UNDER_WAY);
    expect(await page.locator("#access").isVisible()).toBe(false);
    expect(requested.filter((url) => url.includes("token"))).toEqual([]);
  });

  test("goes from run to run, and its address keeps the choice", async () => {
    await using live = await startServer();
    await startRun(await live.watch.stores.run("default"), { envs: [{ desiredName: "maths" }] });
    await startRun(await live.watch.stores.run("ablation"), { envs: [{ desiredName: "code" }] });
    await using opened = await openPage(live.server.url);
    const { page } = opened;
    await page.getByText("maths_0").waitFor(UNDER_WAY);
    await page.locator("#run").selectOption("ablation");
    await page.getByText("code_0").waitFor(UNDER_WAY);
    expect(page.url()).toMatch(/#run=ablation$/);
    await page.reload();
    await page.getByText("code_0").waitFor(UNDER_WAY);
    expect(await page.getByText("maths_0").count()).toBe(0);
  });

  test("comes back by itself when the server was away", async () => {
    const first = await startServer();
    await using opened = await openPage(first.server.url);
    const { page } = opened;
    await page.getByText("live", { exact: true }).waitFor(UNDER_WAY);
    await first.server.close();
    await page.getByText("reconnecting").waitFor(UNDER_WAY);
    await using second = await startServer({ port: first.server.port });
    await startRun(await second.watch.stores.run("default"), { envs: [{ desiredName: "later" }] });
    await page.getByText("later_0").waitFor(UNDER_WAY);
    expect(await textOf(page, "#connection")).toBe("live");
  });

  test("what somebody reads stays while newer examples come, until they follow again", async () => {
    await using live = await startServer();
    const store = await live.watch.stores.run("default");
    await startRun(store);
    await store.submit([scoredGroup({ messages: conversations("the first") })]);
    await using opened = await openPage(live.server.url);
    const { page } = opened;
    await page.getByText("the first").waitFor(UNDER_WAY);
    await page.locator("#example-list button").first().click();
    await expect
      .poll(async () => {
        await store.submit([scoredGroup({ messages: conversations("the second") })]);
        return page.locator("#example-list li").count();
      }, UNDER_WAY)
      .toBeGreaterThan(1);
    expect(await textOf(page, "#example")).toContain("the first");
    await page.getByRole("button", { name: "Follow the newest" }).click();
    expect(await textOf(page, "#example")).toContain("the second");
  });
});
