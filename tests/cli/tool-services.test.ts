import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { makeMarkedDirectory } from "../../src/cli/marked-directory.ts";
import { collectSecrets, withoutSecrets } from "../../src/cli/redact.ts";
import { openToolServices } from "../../src/cli/tool-services.ts";
import { hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import { builtinTools } from "../../src/tools/builtin-tools.ts";

async function configured(env: Record<string, unknown>, fallbacks: Record<string, string> = {}) {
  await using services = await openToolServices(hermesAgentEnvConfig.parse(env), fallbacks);
  return builtinTools(services)
    .filter(({ name, unconfigured }) => /^(web|browser|vision)_/.test(name) && unconfigured === null)
    .map(({ name }) => name)
    .sort();
}

describe("the services of tools", () => {
  test.each<[string, Record<string, unknown>, string[]]>([
    ["nothing", {}, []],
    ["SearXNG", { web_searxng_url: "http://127.0.0.1:1" }, ["web_search"]],
    ["plain fetching", { web_plain_fetch: true }, ["web_extract"]],
    ["a key of Firecrawl", { web_firecrawl_api_key: "fc" }, ["web_extract", "web_search"]],
    ["an own Firecrawl", { web_firecrawl_url: "http://127.0.0.1:1" }, ["web_extract", "web_search"]],
    ["vision", { vision_base_url: "http://127.0.0.1:1/v1", vision_model: "m" }, ["vision_analyze"]],
  ])("%s makes its tools usable", async (_what, env, expected) => {
    expect(await configured(env)).toEqual(expected);
  });

  test("the process environment stands in for keys that nobody set", async () => {
    expect(await configured({}, { web_searxng_url: "http://127.0.0.1:1" })).toEqual(["web_search"]);
    await expect(configured({}, { web_searxng_url: "nonsense" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });

  test("a browser has all its tools but the seeing one, which needs a vision server as well", async () => {
    const names = await configured({ browser_executable: "auto" });
    expect(names).toHaveLength(10);
    expect(names).not.toContain("browser_vision");
  });

  test("a vision server without a model is an error", async () => {
    await expect(configured({ vision_base_url: "http://127.0.0.1:1" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });

  test("keys and the credentials of MCP servers are secrets", () => {
    const env = {
      web_firecrawl_api_key: "fc-secret",
      mcp_servers: {
        a: { url: "http://x", headers: { Authorization: "Bearer abc123def" } },
        b: { env: { API_TOKEN: "tok-secret" } },
      },
    };
    expect(collectSecrets(env)).toEqual(["fc-secret", "Bearer abc123def", "abc123def", "tok-secret"]);
    expect(JSON.stringify(withoutSecrets(env))).not.toMatch(/secret|abc123/);
  });

  test("directories that a killed process left are removed, those of a living one stay", async () => {
    const own = await makeMarkedDirectory("test");
    const mark = readFileSync(join(own, "owner"), "utf8");
    // The same machine and boot, and a process that started when none did.
    const dead = mkdtempSync(join(tmpdir(), "lachesis-test-"));
    writeFileSync(join(dead, "owner"), mark.replace(/\d+$/, "1"));
    const foreign = mkdtempSync(join(tmpdir(), "lachesis-other-"));
    // Killed before it could write its mark; and one whose maker may be about to.
    const unmarked = mkdtempSync(join(tmpdir(), "lachesis-test-"));
    utimesSync(unmarked, new Date(0), new Date(0));
    const fresh = mkdtempSync(join(tmpdir(), "lachesis-test-"));
    const second = await makeMarkedDirectory("test");
    const names = readdirSync(tmpdir());
    const staying = [own, foreign, fresh, second];
    for (const path of staying) expect(names).toContain(basename(path));
    for (const path of [dead, unmarked]) expect(names).not.toContain(basename(path));
    for (const path of staying) rmSync(path, { recursive: true });
  });
});
