/**
 * A web of a few pages that ships with Lachesis, with a search engine over it: what web-research's bundled questions
 * are about, so that it can be played, validated and tested without a network. Its sites end in `.example`.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { comparableUrl } from "../../rewards/library/web-sources.ts";
import type { PageReader, SearchEngine, SearchHit, WebPage } from "../../src/tools/web/search-engine.ts";

const page = z.object({ url: z.string(), title: z.string(), text: z.string() });
export type LittlePage = z.output<typeof page>;

/** Read once, when they are first asked for. */
export async function readLittleWeb(): Promise<LittlePage[]> {
  const path = join(import.meta.dirname, "..", "data", "little-web.json");
  return z.array(page).parse(JSON.parse(await readFile(path, "utf8")));
}

const excerptChars = 160;

export class LittleWeb implements SearchEngine, PageReader {
  #pages: Promise<LittlePage[]> | undefined;

  async search(query: string, { limit }: { limit: number }): Promise<{ hits: SearchHit[] }> {
    return { hits: rankPages(await this.#open(), query, limit) };
  }

  async read(url: string): Promise<WebPage> {
    const wanted = comparableUrl(url);
    const found = (await this.#open()).find((one) => comparableUrl(one.url) === wanted);
    if (found === undefined) return { ok: false, url, error: `${url} answered HTTP 404.`, blocked: false };
    return { ok: true, url: found.url, title: found.title, markdown: `# ${found.title}\n\n${found.text}` };
  }

  #open(): Promise<LittlePage[]> {
    this.#pages ??= readLittleWeb();
    return this.#pages;
  }
}

/** Pages by the words that they share with the query: rare words count more, those of the title twice. */
export function rankPages(pages: readonly LittlePage[], query: string, limit: number): SearchHit[] {
  const asked = new Set(wordsOf(query));
  const indexed = pages.map((one) => ({ one, title: wordsOf(one.title), text: wordsOf(one.text) }));
  const rarity = (word: string) => {
    const having = indexed.filter(({ title, text }) => title.includes(word) || text.includes(word)).length;
    return having === 0 ? 0 : Math.log(1 + pages.length / having);
  };
  return indexed
    .map(({ one, title, text }) => {
      let score = 0;
      for (const word of asked) {
        score += rarity(word) * ((title.includes(word) ? 2 : 0) + (text.includes(word) ? 1 : 0));
      }
      return { one, score };
    })
    .filter(({ score }) => score > 0)
    .toSorted((left, right) => right.score - left.score)
    .slice(0, limit)
    .map(({ one: { url, title, text } }) => ({ url, title, description: `${text.slice(0, excerptChars)}…` }));
}

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? [];
