/** The API's description against the API. */
import { describe, expect, test } from "vitest";
import { createRolloutApi } from "../../../src/rollout-api/app.ts";
import { docsPlugin } from "../../../src/rollout-api/docs/docs-plugin.ts";
import { endpointNotes } from "../../../src/rollout-api/docs/endpoint-notes.ts";
import type { OpenApiDocument } from "../../../src/rollout-api/docs/open-api.ts";
import { MemoryStores } from "../../../src/rollout-api/memory-store.ts";

function startApp() {
  const endpoints: string[] = [];
  const app = createRolloutApi({
    stores: new MemoryStores(),
    plugins: [
      docsPlugin({ version: "1.2.3" }),
      (_app, all) => void endpoints.push(...all.map(({ method, path }) => `${method} ${path}`)),
    ],
  });
  return { app, endpoints, [Symbol.asyncDispose]: async () => app.close() };
}

async function readDocument(app: ReturnType<typeof createRolloutApi>): Promise<OpenApiDocument> {
  return (await app.inject("/openapi.json")).json();
}

describe("/openapi.json", () => {
  test("has every endpoint, and every note is of one", async () => {
    await using server = startApp();
    expect(Object.keys(endpointNotes).sort()).toEqual(server.endpoints.toSorted());
    const { paths, info } = await readDocument(server.app);
    for (const endpoint of server.endpoints) {
      const [method = "", path = ""] = endpoint.split(" ");
      expect(paths[path]?.[method.toLowerCase()]?.summary, endpoint).toMatch(/\w/);
    }
    expect(info.version).toBe("1.2.3");
  });

  test("names as required just the fields whose absence is refused", async () => {
    await using server = startApp();
    const { paths, components } = await readDocument(server.app);
    let checked = 0;
    for (const [path, operations] of Object.entries(paths)) {
      const body = JSON.stringify(operations.post?.requestBody ?? {});
      const [, schema = ""] = /schemas\/(\w+)"/.exec(body) ?? [];
      if (schema === "") continue;
      const payload = body.includes('"items"') ? "[{}]" : "{}";
      const headers = { "content-type": "application/json" };
      const answer = await server.app.inject({ method: "POST", url: path, headers, payload });
      expect(answer.statusCode, path).toBe(422);
      const missing = answer.json().detail.map(({ loc }: { loc: unknown[] }) => loc.at(-1));
      expect(components.schemas[schema]?.required, path).toEqual(missing);
      checked++;
    }
    expect(checked).toBe(7);
  });

  test("every reference leads somewhere", async () => {
    await using server = startApp();
    const document = await readDocument(server.app);
    const references = [...JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)];
    for (const [, name = ""] of references) expect(document.components.schemas).toHaveProperty(name);
    expect(references.length).toBeGreaterThan(10);
  });
});

describe("/docs", () => {
  test("is one page without scripts or outside parts, and says what the document says", async () => {
    await using server = startApp();
    const { headers, body } = await server.app.inject("/docs");
    expect(headers["content-security-policy"]).toContain("default-src 'none'; script-src 'none'");
    for (const endpoint of server.endpoints) expect(body).toContain(`<b>${endpoint}</b>`);
    expect(body).not.toMatch(/<script|src=|https?:\/\//);
    expect(body).toContain("<code>inference_logprobs</code>");
  });
});
