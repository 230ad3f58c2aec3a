/** Searches and reads pages with Firecrawl's API, version 2: the hosted one or an instance of one's own. */
import { z } from "zod";
import { LachesisError } from "../../contracts/errors.ts";
import type { GuardedWeb } from "./guarded-web.ts";
import type { PageReader, SearchEngine, WebPage } from "./search-engine.ts";
import { excerpt, type ServiceAnswer, ServiceClient } from "./service-client.ts";

const text = z.string().nullish();
const searchAnswer = z.object({
  data: z.object({
    web: z.array(z.object({ url: z.string(), title: text, description: text })).default([]),
  }),
});
const scrapeAnswer = z.object({
  data: z.object({
    markdown: text,
    metadata: z
      .object({
        // A page with several titles gives a list.
        title: z.union([z.string(), z.array(z.string()).transform((titles) => titles[0])]).nullish(),
        sourceURL: text,
        url: text,
        statusCode: z.number().nullish(),
        error: text,
      })
      .default({}),
  }),
});
const refusalAnswer = z.object({ success: z.literal(false), error: z.string(), code: z.string().optional() });

export class Firecrawl implements SearchEngine, PageReader, AsyncDisposable {
  readonly #client: ServiceClient;
  readonly #web: GuardedWeb;

  /** `web` judges the addresses that pages are read from: an instance of one's own may stand inside a network. */
  constructor(options: { baseUrl: string; apiKey: string | null; timeoutMs: number; web: GuardedWeb }) {
    const { baseUrl, apiKey, timeoutMs, web } = options;
    this.#web = web;
    this.#client = new ServiceClient({
      name: "Firecrawl",
      baseUrl,
      apiKey,
      timeoutMs,
      hint: "Check env.web_firecrawl_api_key (or FIRECRAWL_API_KEY) and env.web_firecrawl_url.",
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }

  async search(query: string, { limit, signal }: { limit: number; signal: AbortSignal }) {
    const { status, body } = await this.#client.request(
      { method: "POST", path: "/v2/search", json: { query, limit, sources: ["web"] } },
      { signal },
    );
    if (status >= 400) return { error: `The search engine refused the query: ${excerpt(body)}` };
    const { data } = parseAnswer(searchAnswer, body);
    const hits = data.web.slice(0, limit).map(({ url, title, description }) => {
      return { url, title: title ?? "", description: description ?? "" };
    });
    return { hits };
  }

  async read(url: string, { signal }: { signal: AbortSignal }): Promise<WebPage> {
    const refused = await this.#web.refuse(url, { signal });
    if (refused !== null) return { url, ...refused };
    const { status, body } = await this.#client.request(
      {
        method: "POST",
        path: "/v2/scrape",
        json: { url, formats: ["markdown"], onlyMainContent: true },
        isAnswer: isAboutThePage,
      },
      { signal },
    );
    if (status >= 400) {
      const reason = refusalAnswer.safeParse(body).data?.error ?? excerpt(body);
      return { ok: false, url, error: `${url} could not be read: ${reason}`, blocked: false };
    }
    const { markdown, metadata } = parseAnswer(scrapeAnswer, body).data;
    const failure = metadata.error ?? (metadata.statusCode ?? 200) >= 400;
    if (failure !== false && failure !== "") {
      const reason = typeof failure === "string" ? failure : `HTTP ${metadata.statusCode}`;
      return { ok: false, url, error: `${url} answered: ${reason}`, blocked: false };
    }
    return {
      ok: true,
      url: metadata.url ?? metadata.sourceURL ?? url,
      title: metadata.title ?? "",
      markdown: markdown ?? "",
    };
  }
}

/** Firecrawl says with status 408 or 500 and a code of its own that a page is to blame. */
function isAboutThePage({ body }: ServiceAnswer): boolean {
  const code = refusalAnswer.safeParse(body).data?.code;
  return code?.startsWith("SCRAPE_") === true;
}

function parseAnswer<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new LachesisError("TOOL_SERVICE_FAILED", `Firecrawl's answer can't be read: ${excerpt(body)}`, {
    hint: "Check that env.web_firecrawl_url speaks version 2 of Firecrawl's API.",
    cause: parsed.error,
  });
}
