/**
 * Configuration of the tools that have parts outside the sandbox: the web, a browser, a model that sees, MCP
 * servers. What is not set leaves its tools out where nobody asks for them by name.
 */
import { z } from "zod";
import { mcpServersConfig } from "../tools/mcp/mcp-config.ts";

const httpUrl = z.string().regex(/^https?:\/\/\S+$/, "expected a URL that begins with http:// or https://");

const webFields = {
  web_firecrawl_api_key: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Key of Firecrawl for web_search and web_extract. Better in the environment: FIRECRAWL_API_KEY.",
    ),
  web_firecrawl_url: httpUrl
    .nullable()
    .default(null)
    .describe(
      "An instance of Firecrawl of one's own, which may need no key (or FIRECRAWL_API_URL). null = api.firecrawl.dev.",
    ),
  web_searxng_url: httpUrl
    .nullable()
    .default(null)
    .describe("SearXNG for web_search, wins over Firecrawl (or SEARXNG_URL). It must allow format=json."),
  web_plain_fetch: z
    .boolean()
    .default(false)
    .describe(
      "Without Firecrawl, let web_extract fetch pages from this machine and turn them into markdown.",
    ),
  web_allowed_hosts: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "Hosts that the model may reach though they are not public (host, host:port, address or range as 10.0.0.0/8). For tests and intranets.",
    ),
  web_timeout: z
    .number()
    .positive()
    .default(30)
    .describe("Seconds that a search, a page or a picture may take."),
  web_page_mb: z.number().positive().max(100).default(5).describe("Size of one fetched page, MiB."),
  web_page_chars: z.int().min(100).default(20_000).describe("Characters of one page that web_extract gives."),
};

const browserFields = {
  browser_executable: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "Chromium for the browser tools: a path, or auto to look in the usual places. null = no browser.",
    ),
  browser_sandbox: z
    .boolean()
    .nullable()
    .default(null)
    .describe("Chromium's own sandbox. null = on, except for root, for whom it has none."),
  browser_timeout: z
    .number()
    .positive()
    .default(30)
    .describe("Seconds that opening a page may take; clicks a third."),
  browser_snapshot_chars: z.int().min(500).default(8_000).describe("Characters of one snapshot of a page."),
};

const visionFields = {
  vision_base_url: httpUrl
    .nullable()
    .default(null)
    .describe(
      "OpenAI-compatible server with a model that sees, as http://host:8000/v1. null = no vision tools.",
    ),
  vision_model: z.string().nullable().default(null).describe("The model's name there."),
  vision_api_key: z
    .string()
    .nullable()
    .default(null)
    .describe("Its key. Better in the environment: VISION_API_KEY, else OPENAI_API_KEY."),
  vision_timeout: z.number().positive().default(120).describe("Seconds an answer about an image may take."),
  vision_max_tokens: z.int().min(1).default(1024).describe("Tokens of such an answer."),
  vision_image_mb: z.number().positive().max(100).default(10).describe("Size of one image, MiB."),
};

/** All of them, for an environment's schema. */
export const toolFields = {
  ...webFields,
  ...browserFields,
  ...visionFields,
  mcp_servers: mcpServersConfig
    .default({})
    .describe(
      "MCP servers by name, each with a command (inside the sandbox) or a url; docs/mcp.md has the keys.",
    ),
};

/** The same as a schema of its own, for whoever makes the services. */
export const toolConfig = z.object(toolFields);
export type ToolConfig = z.output<typeof toolConfig>;
