/** What tools with parts outside the sandbox work with, made by whoever wires the run; null = not configured. */
import type { BrowserService } from "./browser/browser-service.ts";
import type { McpServers } from "./mcp/mcp-servers.ts";
import type { VisionService } from "./vision/vision-service.ts";
import type { GuardedWeb } from "./web/guarded-web.ts";
import type { PageReader, SearchEngine } from "./web/search-engine.ts";

export type ToolServices = {
  /** Fetches what the model names; judges addresses. */
  web: GuardedWeb | null;
  /** Limit of one fetch. */
  webTimeoutMs: number;
  search: SearchEngine | null;
  reader: PageReader | null;
  /** Characters kept of one page. */
  pageChars: number;
  browser: BrowserService | null;
  vision: VisionService | null;
  mcp: McpServers | null;
};

/** A run with nothing outside its sandboxes. */
export const noToolServices: ToolServices = {
  web: null,
  webTimeoutMs: 30_000,
  search: null,
  reader: null,
  pageChars: 20_000,
  browser: null,
  vision: null,
  mcp: null,
};
