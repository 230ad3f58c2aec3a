/** Reads pages without a service: fetches them through the guard and turns HTML into markdown. */
import type { GuardedWeb } from "./guarded-web.ts";
import { htmlToMarkdown } from "./html-to-markdown.ts";
import type { PageReader, WebPage } from "./search-engine.ts";

export class PageFetcher implements PageReader {
  readonly #web: GuardedWeb;
  readonly #timeoutMs: number;
  readonly #maxBytes: number;

  constructor({ web, timeoutMs, maxBytes }: { web: GuardedWeb; timeoutMs: number; maxBytes: number }) {
    this.#web = web;
    this.#timeoutMs = timeoutMs;
    this.#maxBytes = maxBytes;
  }

  async read(url: string, { signal }: { signal: AbortSignal }): Promise<WebPage> {
    const limits = { timeoutMs: this.#timeoutMs, maxBytes: this.#maxBytes, signal };
    const answer = await this.#web.get(url, limits);
    if (!answer.ok) return { url, ...answer };
    const failed = (error: string) => ({ ok: false, url, error, blocked: false }) as const;
    if (answer.status >= 400) return failed(`${url} answered HTTP ${answer.status}.`);
    const type = /^\s*([^;\s]*)/.exec(answer.contentType)?.[1]?.toLowerCase() ?? "";
    const isHtml = type === "text/html" || type === "application/xhtml+xml";
    if (!isHtml && !/^text\/|^application\/(.*\+)?(json|xml|yaml|javascript)$|^$/.test(type)) {
      return failed(`${url} is ${type}, which has no text to read.`);
    }
    const source = decode(answer.body, answer.contentType);
    if (!isHtml) return { ok: true, url: answer.url, title: "", markdown: source };
    return { ok: true, url: answer.url, ...htmlToMarkdown(source, answer.url) };
  }
}

/** By the header's charset, else by what the page's first bytes declare, else as UTF-8. */
function decode(body: Uint8Array, contentType: string): string {
  const declared =
    /charset\s*=\s*"?([^\s";]+)/i.exec(contentType)?.[1] ??
    /<meta[^>]{0,200}charset\s*=\s*["']?([\w-]+)/i.exec(
      Buffer.from(body.subarray(0, 2048)).toString("latin1"),
    )?.[1];
  try {
    return new TextDecoder(declared ?? "utf-8").decode(body);
  } catch {
    return new TextDecoder().decode(body);
  }
}
