/**
 * One rollout's browser: a context of its own, the page that is looked at (the newest that is open), what its
 * pages wrote to the console, and the elements that the last snapshot named.
 *
 * What a page does wrong (an error, a crash, never an end) is thrown as `PageProblem`, which the model reads.
 * Only a Chromium that died is a failure of the machinery.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { BrowserContext, Page, Response } from "playwright-core";
import type { RolloutContext } from "../../contracts/rollout-context.ts";
import { untilAborted } from "../../contracts/until-aborted.ts";
import { headOf } from "../cap-text.ts";
import { type BrowserService, browserFailure } from "./browser-service.ts";
import { ConsoleLog } from "./console-log.ts";
import { blockedHeader, type GuardedProxy } from "./guarded-proxy.ts";
import { compactSnapshot, elementNames } from "./page-snapshot.ts";

const mostPages = 5;
/** Milliseconds after an action in which a navigation may begin, and those that it may then take to load. */
const startMs = 200;
const settleMs = 1_500;

/** Runs in the page. */
const listImages = `[...document.images].slice(0, 200).map((image) => ({
  src: (image.currentSrc || image.src).slice(0, 2000),
  alt: image.alt.slice(0, 500),
  width: image.naturalWidth,
  height: image.naturalHeight,
}))`;

/** Says to the model what is wrong with the page or the call, and what to do. */
export class PageProblem extends Error {}

export class BrowserSession implements AsyncDisposable {
  readonly log = new ConsoleLog();
  readonly #service: BrowserService;
  readonly #signal: AbortSignal;
  readonly #context: BrowserContext;
  readonly #proxy: GuardedProxy;
  readonly #pages: Page[] = [];
  #elements: ReadonlySet<string> = new Set();
  #screenshots = 0;

  static async open(service: BrowserService, { signal }: RolloutContext): Promise<BrowserSession> {
    const { context, proxy } = await service.openContext({ signal });
    return new BrowserSession({ service, signal, context, proxy });
  }

  private constructor(options: {
    service: BrowserService;
    signal: AbortSignal;
    context: BrowserContext;
    proxy: GuardedProxy;
  }) {
    this.#service = options.service;
    this.#signal = options.signal;
    this.#context = options.context;
    this.#proxy = options.proxy;
    this.#context.setDefaultTimeout(this.#actionMs);
    this.#context.setDefaultNavigationTimeout(options.service.timeoutMs);
    this.#context.on("page", (page) => this.#adopt(page));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service.closeContext(this.#context);
  }

  async navigate(url: string) {
    const target = URL.parse(url.includes("://") ? url : `https://${url}`);
    if (target === null)
      throw new PageProblem(`${url} is no URL: write it whole, e.g. https://example.org/.`);
    if (target.protocol !== "http:" && target.protocol !== "https:") {
      throw new PageProblem(`Blocked: ${target.protocol} URLs can't be opened, only http: and https:.`);
    }
    const page = this.#pages.at(-1) ?? (await this.#act("open a page", () => this.#context.newPage()));
    this.#elements = new Set();
    const response = await this.#act(`open ${target.href}`, async () => {
      try {
        return await page.goto(target.href, { waitUntil: "domcontentloaded" });
      } catch (thrown) {
        throw this.#blocked(target.hostname) ?? thrown;
      }
    });
    const blocked = response?.headers()[blockedHeader];
    if (blocked !== undefined) throw new PageProblem(`Blocked: ${decodeURIComponent(blocked)}.`);
    await this.#settle(page);
    return { ...(await this.where()), status: response?.status() ?? null };
  }

  /** `full`: everything that is visible; else what can be acted on and the headings. */
  async snapshot({
    full,
  }: {
    full: boolean;
  }): Promise<{ text: string; elements: number; totalChars: number }> {
    const page = this.#current();
    const whole = await this.#act("look at the page", () => page.ariaSnapshot({ mode: "ai" }));
    this.#elements = elementNames(whole);
    const shown = (full ? whole : compactSnapshot(whole)).replaceAll(/\[ref=((?:f\d+)?e\d+)\]/g, "[@$1]");
    const text = headOf(shown, this.#service.snapshotChars);
    return { text, elements: this.#elements.size, totalChars: shown.length };
  }

  async click(ref: string) {
    const element = this.#element(ref);
    await this.#act(`click @${ref}`, () => element.click());
    await this.#settle(this.#current());
    return await this.where();
  }

  async type(ref: string, text: string): Promise<void> {
    const element = this.#element(ref);
    await this.#act(`type into @${ref}`, () => element.fill(text));
  }

  async press(key: string) {
    const page = this.#current();
    await this.#act(`press ${key}`, () => page.keyboard.press(key));
    await this.#settle(page);
    return await this.where();
  }

  async scroll(direction: "up" | "down"): Promise<void> {
    const page = this.#current();
    await this.#act("scroll", () => page.mouse.wheel(0, direction === "down" ? 500 : -500));
  }

  async back() {
    const page = this.#current();
    const response = await this.#act<Response | null>("go back", () => page.goBack({ waitUntil: "commit" }));
    if (response === null && page.url() === "about:blank")
      throw new PageProblem("There is no page to go back to.");
    this.#elements = new Set();
    await this.#settle(page);
    return await this.where();
  }

  /** Closes all pages and forgets cookies and console; the next navigation starts anew. */
  async close(): Promise<void> {
    await this.#act("close", async () => {
      await Promise.all(this.#pages.map((page) => page.close()));
      await this.#context.clearCookies();
    });
    this.log.clear();
  }

  /** Pictures that the page shows, as the page tells it. */
  async images(): Promise<unknown> {
    const page = this.#current();
    return await this.#act("list the images", () => page.evaluate(listImages));
  }

  async screenshot(): Promise<{ png: Buffer; number: number }> {
    const page = this.#current();
    const png = await this.#act("take a screenshot", () =>
      page.screenshot({ type: "png", timeout: this.#actionMs }),
    );
    this.#screenshots += 1;
    return { png, number: this.#screenshots };
  }

  /** The elements to act on that the page shows, one a line, each with its place in pixels. */
  async placedElements(): Promise<string[]> {
    const page = this.#current();
    const whole = await this.#act("look at the page", () => page.ariaSnapshot({ mode: "ai", boxes: true }));
    this.#elements = elementNames(whole);
    const lines = compactSnapshot(whole).split("\n");
    return lines.map((line) => line.trim().replace(/\[ref=([^\]]+)\]/, "[@$1]")).slice(0, 200);
  }

  async where(): Promise<{ url: string; title: string }> {
    const page = this.#current();
    const title = await this.#act("read the title", () => page.title());
    return { url: page.url(), title: headOf(title, 500) };
  }

  get #actionMs(): number {
    return Math.ceil(this.#service.timeoutMs / 3);
  }

  #current(): Page {
    const page = this.#pages.at(-1);
    if (page === undefined) throw new PageProblem("No page is open: call browser_navigate first.");
    return page;
  }

  #element(written: string) {
    const page = this.#current();
    if (this.#elements.has(written)) return page.getByRef(written);
    throw new PageProblem(
      `There is no element @${written} in the last snapshot: call browser_snapshot for present ones.`,
    );
  }

  /** Gives scripts and navigations that an action set off a moment; a page that keeps loading is no fault. */
  async #settle(page: Page): Promise<void> {
    await sleep(startMs, undefined, { signal: this.#signal });
    const shown = this.#pages.at(-1) ?? page;
    const loaded = shown.waitForLoadState("load", { timeout: settleMs }).catch(() => {});
    await untilAborted(loaded, this.#signal);
  }

  async #act<Result>(what: string, action: () => Promise<Result>): Promise<Result> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const limitMs = this.#service.timeoutMs + 2_000;
    const timer = setTimeout(
      () => reject(new PageProblem(`Could not ${what}: the page does not respond.`)),
      limitMs,
    );
    try {
      return await untilAborted(Promise.race([action(), late]), this.#signal);
    } catch (thrown) {
      this.#signal.throwIfAborted();
      if (this.#context.browser()?.isConnected() !== true) throw browserFailure("ended", thrown);
      if (thrown instanceof PageProblem) {
        await this.#dropHungPage();
        throw thrown;
      }
      throw new PageProblem(`Could not ${what}: ${problemText(thrown)}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A page whose scripts never end answers nothing any more; the next navigation gets a new one. */
  async #dropHungPage(): Promise<void> {
    const page = this.#pages.at(-1);
    const isAlive = page?.evaluate(() => true).catch(() => true);
    const isHung =
      (await Promise.race([isAlive, new Promise((resolve) => setTimeout(resolve, 500))])) !== true;
    if (isHung && page !== undefined) this.#forget(page);
  }

  #blocked(hostname: string): PageProblem | undefined {
    const reason = this.#proxy.refusalOf(hostname);
    return reason === undefined ? undefined : new PageProblem(`Blocked: ${reason}.`);
  }

  #adopt(page: Page): void {
    this.#pages.push(page);
    page.on("close", () => this.#drop(page));
    page.on("crash", () => this.#forget(page));
    page.on("dialog", (dialog) => {
      this.log.add("dialog", `${dialog.type()}: ${dialog.message()}`);
      // Dismissing the question whether to leave a page would keep it.
      const answered = dialog.type() === "beforeunload" ? dialog.accept() : dialog.dismiss();
      answered.catch(() => {});
    });
    page.on("console", (message) => this.log.add(message.type(), message.text()));
    page.on("pageerror", (error) =>
      this.log.addError(error instanceof Error ? error.message : String(error)),
    );
    if (this.#pages.length > mostPages) page.close().catch(() => {});
  }

  #forget(page: Page): void {
    this.#drop(page);
    page.close().catch(() => {});
  }

  #drop(page: Page): void {
    const index = this.#pages.indexOf(page);
    if (index !== -1) this.#pages.splice(index, 1);
    this.#elements = new Set();
  }
}

/** Playwright's message without colours and its log of attempts. */
function problemText(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const [head = ""] = message.split("\nCall log:");
  return headOf(head.replace(/^[a-zA-Z]+\.[a-zA-Z]+: /, "").trim(), 500);
}
