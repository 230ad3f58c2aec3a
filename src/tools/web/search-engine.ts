/** What the web tools work with: something that searches, and something that reads pages. */

export type SearchHit = { url: string; title: string; description: string };

export interface SearchEngine {
  /** At most `limit` hits, best first. `error`: the engine refused the query. Rejects when the engine fails. */
  search(
    query: string,
    options: { limit: number; signal: AbortSignal },
  ): Promise<{ hits: SearchHit[] } | { error: string }>;
}

export type WebPage =
  | { ok: true; url: string; title: string; markdown: string }
  | { ok: false; url: string; error: string; blocked: boolean };

export interface PageReader {
  /** A page that can't be read is a result; rejects when the reader itself fails. */
  read(url: string, options: { signal: AbortSignal }): Promise<WebPage>;
}
