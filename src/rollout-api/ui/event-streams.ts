/**
 * Pages that are open now. Each gets the whole view of its run when it comes and after every look at the runs
 * what changed. A page that reads too slowly skips messages, never queues them up: a later one has all it
 * missed, but for points of the time series.
 */
import type { ServerResponse } from "node:http";
import type { RunView } from "../watch/run-history.ts";
import type { ServerWatch } from "../watch/server-watch.ts";

type Page = { run: string; response: ServerResponse; seen: number; hasWhole: boolean };

const MOST_PAGES = 100;

export class EventStreams implements Disposable {
  readonly #watch: ServerWatch;
  readonly #pages = new Set<Page>();
  readonly #stopListening: () => void;

  constructor(watch: ServerWatch) {
    this.#watch = watch;
    this.#stopListening = watch.onSample(() => {
      for (const page of this.#pages) this.#send(page);
    });
  }

  get isFull(): boolean {
    return this.#pages.size >= MOST_PAGES;
  }

  /** Takes over the response until the client leaves or this is disposed of. */
  open(run: string, response: ServerResponse): void {
    const page: Page = { run, response, seen: 0, hasWhole: false };
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // Proxies that gather answers would hold the stream back.
      "x-accel-buffering": "no",
    });
    this.#pages.add(page);
    response.once("close", () => this.#pages.delete(page));
    this.#send(page);
  }

  [Symbol.dispose](): void {
    this.#stopListening();
    for (const { response } of this.#pages) response.end();
    this.#pages.clear();
  }

  #send(page: Page): void {
    const { response } = page;
    if (response.writableNeedDrain || response.destroyed) return;
    const history = this.#watch.history(page.run);
    const view: RunView = { runs: this.#watch.stores.names() };
    if (history !== undefined) {
      Object.assign(view, page.hasWhole ? history.since(page.seen) : history.whole());
      page.hasWhole = true;
      page.seen = history.version;
    }
    response.write(`event: view\ndata: ${JSON.stringify(view)}\n\n`);
  }
}
