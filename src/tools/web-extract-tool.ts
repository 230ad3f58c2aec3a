/** The `web_extract` tool: pages as markdown. A page that can't be read has an `error` of its own. */
import { z } from "zod";
import type { Tool } from "../contracts/tool.ts";
import { headOf } from "./cap-text.ts";
import { defineTool } from "./define-tool.ts";
import type { PageReader, WebPage } from "./web/search-engine.ts";

const mostPages = 5;

export type WebExtractOptions = {
  reader: PageReader | null;
  /** Characters kept of one page. */
  pageChars: number;
};

export function webExtractTool({ reader, pageChars }: WebExtractOptions): Tool {
  return defineTool({
    name: "web_extract",
    description:
      `Read web pages: gives the text of up to ${mostPages} URLs as markdown. ` +
      `A page is cut after ${pageChars} characters.`,
    toolset: "web",
    parallel: true,
    unconfigured:
      reader === null ? "set env.web_firecrawl_api_key (FIRECRAWL_API_KEY), or env.web_plain_fetch" : null,
    parameters: z.strictObject({
      urls: z
        .array(z.string().trim().min(1).max(4_096))
        .min(1)
        .max(mostPages)
        .describe("The pages, as whole URLs with http: or https:."),
    }),
    async run({ urls }, { signal }) {
      if (reader === null) return { error: "Web pages can't be read here." };
      const pages = await Promise.all(urls.map((url) => reader.read(url, { signal })));
      const results = pages.map((page) => toResult(page, pageChars));
      return results.every(({ error }) => error !== null)
        ? { error: "None of the pages could be read.", results }
        : { results };
    },
  });
}

function toResult(page: WebPage, pageChars: number) {
  if (!page.ok) {
    const { url, error, blocked } = page;
    return { url, title: "", content: "", error, ...(blocked && { blocked_by_policy: true }) };
  }
  const markdown = page.markdown.replaceAll(/!\[([^\]]*)\]\(data:[^)]*\)/g, "![$1]");
  const content = headOf(markdown, pageChars);
  return {
    url: page.url,
    title: page.title,
    content,
    error: null,
    ...(content.length < markdown.length && { truncated: true, total_chars: markdown.length }),
  };
}
