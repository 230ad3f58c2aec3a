/** The `web_search` tool: titles, addresses and descriptions of pages. */
import { z } from "zod";
import type { Tool } from "../contracts/tool.ts";
import { defineTool } from "./define-tool.ts";
import type { SearchEngine } from "./web/search-engine.ts";

const mostHits = 5;

export function webSearchTool(engine: SearchEngine | null): Tool {
  return defineTool({
    name: "web_search",
    description: `Search the web. Returns up to ${mostHits} pages with url, title and description.`,
    toolset: "web",
    parallel: true,
    unconfigured:
      engine === null ? "set env.web_searxng_url, or env.web_firecrawl_api_key (FIRECRAWL_API_KEY)" : null,
    parameters: z.strictObject({
      query: z.string().trim().min(1).max(1_000).describe("What to search for."),
    }),
    async run({ query }, { signal }) {
      if (engine === null) return { success: false, error: "Web search is not available here." };
      const found = await engine.search(query, { limit: mostHits, signal });
      if ("error" in found) return { success: false, error: found.error };
      const web = found.hits.map((hit, index) => ({ ...hit, position: index + 1 }));
      return { success: true, data: { web } };
    },
  });
}
