/** Makes the services of tools from an environment's keys (`web_*`, `browser_*`, `vision_*`, `mcp_servers`). */
import { existsSync } from "node:fs";
import { LachesisError } from "../contracts/errors.ts";
import { type ToolConfig, toolConfig } from "../env/tool-fields.ts";
import { BrowserService } from "../tools/browser/browser-service.ts";
import type { McpServers } from "../tools/mcp/mcp-servers.ts";
import type { ToolServices } from "../tools/tool-services.ts";
import { VisionService } from "../tools/vision/vision-service.ts";
import { AddressGuard } from "../tools/web/address-guard.ts";
import { Firecrawl } from "../tools/web/firecrawl.ts";
import { GuardedWeb } from "../tools/web/guarded-web.ts";
import { PageFetcher } from "../tools/web/page-fetcher.ts";
import { Searxng } from "../tools/web/searxng.ts";
import { makeMarkedDirectory } from "./marked-directory.ts";

export type OpenToolServices = ToolServices & AsyncDisposable;

const hostedFirecrawl = "https://api.firecrawl.dev";
const mebibyte = 1024 * 1024;

const usualChromiums = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome-stable",
  "/usr/bin/google-chrome",
  "/snap/bin/chromium",
];

/**
 * `fallbacks`: values from outside the configuration, for keys that it leaves unset. Nothing is asked of any
 * service yet. Rejects with CONFIG_INVALID where keys don't fit together.
 */
export async function openToolServices(
  env: Readonly<Record<string, unknown>>,
  fallbacks: Readonly<Record<string, string | undefined>> = {},
): Promise<OpenToolServices> {
  const config = readConfig({ ...pickSet(env, toolConfig.shape), ...unsetOnly(fallbacks, env) });
  await using opening = new AsyncDisposableStack();
  const guard = new AddressGuard({ allowedHosts: config.web_allowed_hosts });
  const web = opening.use(new GuardedWeb({ guard }));
  const webTimeoutMs = config.web_timeout * 1000;
  const firecrawl = openFirecrawl(config, web);
  if (firecrawl !== null) opening.use(firecrawl);
  const searxng =
    config.web_searxng_url === null
      ? null
      : opening.use(new Searxng({ baseUrl: config.web_searxng_url, timeoutMs: webTimeoutMs }));
  const fetcher = config.web_plain_fetch
    ? new PageFetcher({ web, timeoutMs: webTimeoutMs, maxBytes: config.web_page_mb * mebibyte })
    : null;
  const browser = openBrowser(config, guard);
  if (browser !== null) opening.use(browser);
  const vision = openVision(config);
  if (vision !== null) opening.use(vision);
  const hasMcp = Object.keys(config.mcp_servers).length > 0;
  const mcp = hasMcp ? opening.use(await openMcp(config)) : null;
  const opened = opening.move();
  return {
    web,
    webTimeoutMs,
    search: searxng ?? firecrawl,
    reader: firecrawl ?? fetcher,
    pageChars: config.web_page_chars,
    browser,
    vision,
    mcp,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** The SDK takes a while to load: only runs with such servers pay for it. */
async function openMcp({ mcp_servers: servers }: ToolConfig): Promise<McpServers> {
  const { McpServers } = await import("../tools/mcp/mcp-servers.ts");
  return new McpServers(servers);
}

function readConfig(keys: Record<string, unknown>): ToolConfig {
  const parsed = toolConfig.safeParse(keys);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new LachesisError("CONFIG_INVALID", `env.${issue?.path.join(".")}: ${issue?.message}`, {
    hint: "The value may stand in the process environment (FIRECRAWL_API_URL, SEARXNG_URL).",
    cause: parsed.error,
  });
}

function openFirecrawl(config: ToolConfig, web: GuardedWeb): Firecrawl | null {
  const { web_firecrawl_api_key: apiKey, web_firecrawl_url: ownUrl, web_timeout: timeoutSeconds } = config;
  if (apiKey === null && ownUrl === null) return null;
  return new Firecrawl({ baseUrl: ownUrl ?? hostedFirecrawl, apiKey, timeoutMs: timeoutSeconds * 1000, web });
}

function openBrowser(config: ToolConfig, guard: AddressGuard): BrowserService | null {
  const { browser_executable: chosen } = config;
  if (chosen === null) return null;
  return new BrowserService({
    executable: chosen === "auto" ? (usualChromiums.find(existsSync) ?? usualChromiums[0] ?? "") : chosen,
    chromiumSandbox: config.browser_sandbox,
    guard,
    timeoutMs: config.browser_timeout * 1000,
    snapshotChars: config.browser_snapshot_chars,
    makeDirectory: () => makeMarkedDirectory("browser"),
  });
}

function openVision(config: ToolConfig): VisionService | null {
  const { vision_base_url: baseUrl, vision_model: model } = config;
  if (baseUrl === null) return null;
  if (model === null) {
    throw new LachesisError("CONFIG_INVALID", "env.vision_base_url is set, env.vision_model is not.", {
      hint: "Set env.vision_model to the name of a model that sees images.",
    });
  }
  return new VisionService({
    baseUrl,
    model,
    apiKey: config.vision_api_key,
    timeoutMs: config.vision_timeout * 1000,
    maxTokens: config.vision_max_tokens,
    maxImageBytes: config.vision_image_mb * mebibyte,
  });
}

function pickSet(env: Readonly<Record<string, unknown>>, keys: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(env).filter(([key, value]) => Object.hasOwn(keys, key) && value !== undefined),
  );
}

function unsetOnly(
  fallbacks: Readonly<Record<string, string | undefined>>,
  env: Readonly<Record<string, unknown>>,
): Record<string, string> {
  const unset = Object.entries(fallbacks).filter(([key]) => (env[key] ?? null) === null);
  return Object.fromEntries(unset.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}
