/**
 * One Chromium for a run, started when the first rollout asks for a page and shared by all: each rollout has a
 * context of its own, without a profile on disk, downloads, service workers or a way to the network but the
 * guarded proxy. A Chromium that died is started afresh for the next rollout.
 *
 * Chromium speaks with us through a pipe: when this process is killed, the pipe closes and Chromium ends by
 * itself. Everything it writes is in one directory, made by the caller, who can tell whose leftovers are whose.
 */
import { access, rm } from "node:fs/promises";
import type { Browser, BrowserContext } from "playwright-core";
import { LachesisError } from "../../contracts/errors.ts";
import { untilAborted } from "../../contracts/until-aborted.ts";
import type { AddressGuard } from "../web/address-guard.ts";
import { GuardedProxy } from "./guarded-proxy.ts";

export type BrowserServiceOptions = {
  /** Path of Chromium. */
  executable: string;
  /** Chromium's own sandbox; null = on, except for root, for whom it has none. */
  chromiumSandbox: boolean | null;
  guard: AddressGuard;
  /** Limit of one navigation; other actions have a third of it. */
  timeoutMs: number;
  /** Characters of a snapshot. */
  snapshotChars: number;
  /** A new directory for all that one Chromium writes; removed when it has ended. */
  makeDirectory: () => Promise<string>;
};

type Running = { browser: Browser; proxy: GuardedProxy; stop: () => Promise<void> };

const longestCloseMs = 5_000;

export class BrowserService implements AsyncDisposable {
  readonly guard: AddressGuard;
  readonly timeoutMs: number;
  readonly snapshotChars: number;
  readonly #options: BrowserServiceOptions;
  #running: Promise<Running> | undefined;
  #isClosed = false;

  constructor(options: BrowserServiceOptions) {
    this.#options = options;
    this.guard = options.guard;
    this.timeoutMs = options.timeoutMs;
    this.snapshotChars = options.snapshotChars;
  }

  /** Why there is no browser; null = Chromium is where it should be. */
  async check(): Promise<string | null> {
    const { executable } = this.#options;
    return access(executable).then(
      () => null,
      () =>
        `there is no ${executable}: install Chromium (apt-get install chromium), or correct env.browser_executable`,
    );
  }

  /** A fresh context: no cookies, no history. The caller gives it back to `closeContext`. */
  async openContext({
    signal,
  }: {
    signal: AbortSignal;
  }): Promise<{ context: BrowserContext; proxy: GuardedProxy }> {
    const opening = this.#start().then(async ({ browser, proxy }) => {
      const context = await browser.newContext({
        acceptDownloads: false,
        serviceWorkers: "block",
        viewport: { width: 1280, height: 720 },
      });
      return { context, proxy };
    });
    try {
      return await untilAborted(opening, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      throw browserFailure("could not open a page", thrown);
    } finally {
      if (signal.aborted) opening.then(({ context }) => this.closeContext(context)).catch(() => {});
    }
  }

  /** Never rejects; a Chromium that doesn't answer any more is killed. */
  async closeContext(context: BrowserContext): Promise<void> {
    if (await endsWithin(context.close(), longestCloseMs)) return;
    const running = await this.#running?.catch(() => undefined);
    if (running?.browser === context.browser()) await running?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const running = await this.#running?.catch(() => undefined);
    await running?.stop();
  }

  #start(): Promise<Running> {
    if (this.#isClosed) return Promise.reject(new LachesisError("BROWSER_FAILED", "The browser was closed."));
    if (this.#running === undefined) {
      const running = this.#launch();
      const forget = () => {
        if (this.#running === running) this.#running = undefined;
      };
      this.#running = running;
      running.then(({ browser }) => browser.on("disconnected", forget), forget);
    }
    return this.#running;
  }

  async #launch(): Promise<Running> {
    const { executable, chromiumSandbox, guard, makeDirectory } = this.#options;
    await using starting = new AsyncDisposableStack();
    const proxy = starting.use(await GuardedProxy.open(guard));
    const directory = await makeDirectory();
    starting.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
    // Half a second to load: only runs that browse pay for it.
    const { chromium } = await import("playwright-core");
    const first = await chromium.launchPersistentContext(`${directory}/profile`, {
      executablePath: executable,
      artifactsDir: `${directory}/artifacts`,
      chromiumSandbox: chromiumSandbox ?? process.getuid?.() !== 0,
      proxy: { server: proxy.url },
      acceptDownloads: false,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
      // Nothing of this process's environment, which may hold keys.
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: directory, TMPDIR: directory, LANG: "C.UTF-8" },
      args: [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-crash-reporter",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
      ],
    });
    const browser = first.browser();
    if (browser === null) throw new LachesisError("INTERNAL", "Chromium has no browser object.");
    starting.defer(async () => {
      await endsWithin(browser.close(), longestCloseMs);
    });
    const started = starting.move();
    browser.on("disconnected", () => void started.disposeAsync().catch(() => {}));
    return { browser, proxy, stop: () => started.disposeAsync() };
  }
}

/** A failure of the machinery: the rollout is played afresh. */
export function browserFailure(what: string, thrown: unknown): LachesisError {
  if (thrown instanceof LachesisError) return thrown;
  const reason = thrown instanceof Error ? (thrown.message.split("\n")[0] ?? "") : String(thrown);
  return new LachesisError("BROWSER_FAILED", `Chromium ${what}: ${reason}`, {
    cause: thrown,
    retryable: true,
  });
}

/** True when the work ended in time, however it ended. */
async function endsWithin(work: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), milliseconds);
  try {
    return await Promise.race([
      work.then(
        () => true,
        () => true,
      ),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
