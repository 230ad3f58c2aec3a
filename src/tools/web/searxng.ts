/** Searches with a SearXNG instance (`/search?format=json`, which its settings must allow). */
import { z } from "zod";
import { LachesisError } from "../../contracts/errors.ts";
import type { SearchEngine } from "./search-engine.ts";
import { excerpt, ServiceClient } from "./service-client.ts";

const searxngAnswer = z.object({
  results: z.array(z.object({ url: z.string(), title: z.string().nullish(), content: z.string().nullish() })),
});

export class Searxng implements SearchEngine, AsyncDisposable {
  readonly #client: ServiceClient;

  constructor({ baseUrl, timeoutMs }: { baseUrl: string; timeoutMs: number }) {
    this.#client = new ServiceClient({
      name: `SearXNG at ${baseUrl}`,
      baseUrl,
      timeoutMs,
      hint: "Correct env.web_searxng_url; the instance's settings must list json under search.formats.",
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }

  async search(query: string, { limit, signal }: { limit: number; signal: AbortSignal }) {
    const path = `/search?${new URLSearchParams({ q: query, format: "json" })}`;
    const { status, body } = await this.#client.request({ method: "GET", path }, { signal });
    const answer = searxngAnswer.safeParse(body);
    if (status === 400) return { error: `The search engine refused the query: ${excerpt(body)}` };
    if (!answer.success) {
      throw new LachesisError(
        "TOOL_SERVICE_FAILED",
        `SearXNG answered ${status} without results: ${excerpt(body)}`,
        {
          hint: "Check that env.web_searxng_url is a SearXNG instance that gives JSON.",
        },
      );
    }
    const hits = answer.data.results.slice(0, limit).map(({ url, title, content }) => {
      return { url, title: title ?? "", description: content ?? "" };
    });
    return { hits };
  }
}
